-- Feedback on them: thumbs, ratings, clicks, truth, corrections and retractions; some name no inference.
SELECT n * 3 // 2 + 2 AS log_offset, 1::INTEGER AS project_id, lower(md5('f' || n)) AS feedback_id,
       'req-' || about AS inference_request_id, NULL::VARCHAR AS model_name,
       'tickets-' || (about * 4 // {asked} + 1) AS model_version,
       CASE WHEN kind < 25 THEN 'explicit_binary' WHEN kind < 35 THEN 'explicit_rating' WHEN kind < 50 THEN 'implicit_click'
            WHEN kind < 85 THEN 'ground_truth' WHEN kind < 98 THEN 'explicit_correction' ELSE 'retraction' END
           AS feedback_type,
       CASE WHEN kind < 25 THEN 'thumbs' WHEN kind < 35 THEN 'rating' ELSE NULL END AS metric,
       CASE WHEN kind BETWEEN 50 AND 84 THEN 'system' ELSE 'end_user' END AS source_kind,
       'p_' || (n * 31 % ({count} // 20 + 1)) AS user_ref, 's_' || (about // 3) AS session_id,
       NULL::VARCHAR AS episode_id, NULL::BIGINT AS step,
       '{{"user_tier":"' || ['free', 'pro', 'team'][n % 3 + 1] || '"}}' AS segments, NULL::VARCHAR AS tags,
       moment AS occurred_at, moment + to_seconds(n % 40) AS received_at,
       CASE WHEN kind BETWEEN 50 AND 97 THEN '"' || (about * 7919 % 10 + (n % 5 = 0)::INT) % 10 || '"' END AS label,
       CASE WHEN kind BETWEEN 85 AND 97 THEN {text} END AS text,
       CASE WHEN kind < 25 THEN ((n + n // {asked}) % 3 > 0)::INT::DOUBLE WHEN kind < 35 THEN (n % 5) / 4.0 WHEN kind < 50 THEN 1.0 END AS reward,
       CASE WHEN kind BETWEEN 25 AND 34 THEN (n % 5 + 1)::DOUBLE END AS number,
       NULL::VARCHAR AS preferred, NULL::VARCHAR AS rejected, NULL::BOOLEAN AS tie,
       CASE WHEN kind >= 98 THEN lower(md5('f' || (n - 20))) END AS target_feedback_id,
       kind >= 98 AS is_retraction, false AS clock_skew, n % 50 > 0 AS training_consent,
       1.0::DOUBLE AS pass_probability,
       '{{"comment":"' || {text} || '"}}' AS feedback_value
FROM (SELECT {words} AS words), (SELECT range AS n, range * 48271 % 100 AS kind, (range * 15485863) % ({asked} + {asked} // 50) AS about,
             TIMESTAMPTZ '2026-03-01 00:00:30+00'
             + to_microseconds(((range * 15485863 % ({asked} + {asked} // 50)) * 1e6 * {seconds} / {asked})::BIGINT) AS moment
      FROM range({count}))
