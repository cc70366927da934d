-- Inferences of four days; texts of about 200 bytes, made of the list `words`.
SELECT n * 3 + 1 AS log_offset, 1::INTEGER AS project_id, 'req-' || n AS inference_request_id,
       'tickets' AS model_name, 'tickets-' || (n * 4 // {count} + 1) AS model_version,
       moment AS occurred_at, moment AS received_at,
       '"' || (n * 7919 % 10) || '"' AS answer_label, {text} AS answer_text,
       ['A', 'B'] AS output_ids, ['tickets-' || (n * 4 // {count} + 1), 'tickets-0'] AS output_versions,
       [p, (1 - p) * 0.7, (1 - p) * 0.3] AS probabilities, p AS confidence, p AS propensity,
       '{{"locale":"' || ['de', 'en', 'fr', 'pl'][n % 4 + 1] || '","tier":"' || ['free', 'pro'][n % 2 + 1] || '"}}'
           AS segments,
       '{{"text":"' || {text} || '"}}' AS inputs, NULL::VARCHAR AS inputs_ref,
       true AS has_inputs, '[]' AS outputs, NULL::VARCHAR AS action, NULL::DOUBLE[] AS embedding
FROM (SELECT {words} AS words), (SELECT range AS n, TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_microseconds((range * 1e6 * {seconds} / {count})::BIGINT)
             AS moment, 0.4 + (range * 104729 % 59) / 100.0 AS p FROM range({count}))
