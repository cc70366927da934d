-- What makes the table metrics, by hand, for the made-up events alone.
WITH told AS (
    SELECT e.project_id, e.model_name, e.model_version, e.received_at::DATE AS received_day,
           time_bucket(INTERVAL 60 SECOND, e.occurred_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_start,
           e.segments AS own, i.segments AS asked, e.feedback_type AS kind, e.correct, e.reward,
           (least(floor(1000000 / e.pass_probability + 0.5), 20000000) / 1000000)::DECIMAL(19, 6) AS w
    FROM '{folder}/{enriched}' e JOIN '{folder}/inferences.parquet' i USING (project_id, inference_request_id)
    WHERE e.state = 'attributed' AND NOT e.is_undone AND NOT e.is_retraction
), summed AS (
    SELECT project_id, model_name, model_version, received_day, bucket_start, own, asked,
           sum((correct::INT * w)::DECIMAL(38, 6)) FILTER (labelled) AS right_n, sum(w) FILTER (labelled) AS right_d,
           sum((w * w)::DECIMAL(38, 6)) FILTER (labelled) AS right_w,
           sum((reward::DECIMAL(19, 6) * w)::DECIMAL(38, 6)) FILTER (liked) AS liked_n, sum(w) FILTER (liked) AS liked_d,
           sum((w * w)::DECIMAL(38, 6)) FILTER (liked) AS liked_w, sum(w) FILTER (clicked) AS clicks,
           sum(w::DECIMAL(38, 6) * w) FILTER (clicked) AS clicks_s, sum(w) FILTER (mended) AS mended,
           sum(w::DECIMAL(38, 6) * w) FILTER (mended) AS mended_s, sum(w) AS volume,
           sum(w::DECIMAL(38, 6) * w) AS volume_s
    FROM (SELECT *, kind IN ('ground_truth', 'explicit_label', 'review_label') AND correct IS NOT NULL AS labelled,
                 kind IN ('explicit_binary', 'explicit_rating') AND reward IS NOT NULL AS liked,
                 kind = 'implicit_click' AND reward = 1 AS clicked, kind = 'explicit_correction' AS mended FROM told)
    GROUP BY ALL
), votes AS (
    SELECT project_id, inference_request_id, question, sum(c) AS votes, sum(c * (c - 1)) AS same
    FROM (SELECT project_id, inference_request_id, question, vote, count(*) AS c
          FROM (SELECT *, CASE WHEN feedback_type IN ('explicit_label', 'explicit_correction', 'review_label')
                               THEN 'label' ELSE 'liking' END AS question,
                       CASE WHEN feedback_type IN ('explicit_label', 'explicit_correction', 'review_label') THEN label
                            WHEN reward >= 0.5 THEN 'good' WHEN reward < 0.5 THEN 'bad' END AS vote
                FROM '{folder}/{enriched}'
                WHERE state = 'attributed' AND NOT is_undone AND NOT is_retraction AND feedback_type IN
                      ('explicit_label', 'explicit_correction', 'review_label', 'explicit_binary', 'explicit_rating'))
          WHERE vote IS NOT NULL GROUP BY project_id, inference_request_id, question, vote)
    GROUP BY project_id, inference_request_id, question HAVING sum(c) > 1
), answers AS (
    SELECT project_id, model_name, model_version, received_at::DATE AS received_day,
           time_bucket(INTERVAL 60 SECOND, occurred_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_start,
           segments AS asked, count(*) AS n
    FROM '{folder}/inferences.parquet' GROUP BY ALL
), disputed AS (
    SELECT i.project_id, i.model_name, i.model_version, i.received_at::DATE AS received_day,
           time_bucket(INTERVAL 60 SECOND, i.occurred_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_start,
           i.segments AS asked, count(*) AS n,
           sum((((votes * (votes - 1) - same) * 1000000 + votes * (votes - 1) // 2) // (votes * (votes - 1)))::BIGINT) AS m
    FROM votes JOIN '{folder}/inferences.parquet' i USING (project_id, inference_request_id) GROUP BY ALL
), placed AS (
    SELECT * EXCLUDE (right_n, right_d, right_w, liked_n, liked_d, liked_w, clicks, clicks_s, mended, mended_s, volume,
                      volume_s),
           unnest([{{'metric': 'accuracy', 'n': right_n, 'd': right_d, 's': 0, 'w': right_w}},
                   {{'metric': 'satisfaction', 'n': liked_n, 'd': liked_d, 's': 0, 'w': liked_w}},
                   {{'metric': 'click_through', 'n': clicks, 'd': 0, 's': 0, 'w': 0}}],
                  recursive := true) FROM summed
    UNION ALL BY NAME
    SELECT * EXCLUDE (clicks, clicks_s, mended, mended_s, volume, volume_s), NULL AS own,
           unnest([{{'metric': 'clicks_per_answer', 'n': clicks, 'd': 0, 's': clicks_s, 'w': 0}},
                   {{'metric': 'correction_rate', 'n': mended, 'd': 0, 's': mended_s, 'w': 0}},
                   {{'metric': 'volume', 'n': volume, 'd': 0, 's': volume_s, 'w': 0}}], recursive := true)
    FROM (SELECT project_id, model_name, model_version, received_day, bucket_start, asked, sum(clicks) AS clicks,
                 sum(clicks_s) AS clicks_s, sum(mended) AS mended, sum(mended_s) AS mended_s, sum(volume) AS volume,
                 sum(volume_s) AS volume_s FROM summed GROUP BY ALL)
    UNION ALL BY NAME
    SELECT project_id, model_name, model_version, received_day, bucket_start, NULL AS own, asked,
           unnest(['clicks_per_answer', 'correction_rate', 'volume']) AS metric, 0 AS n, n AS d, 0 AS s, n AS w
    FROM answers
    UNION ALL BY NAME
    SELECT project_id, model_name, model_version, received_day, bucket_start, NULL AS own, asked,
           'disagreement' AS metric, m::DECIMAL(38, 6) / 1000000 AS n, n AS d, 0 AS s, n AS w FROM disputed
), texts AS (
    SELECT own, asked, unnest(list_concat([''], list_transform(map_entries(named), lambda e: e.key || '=' || e.value)))
           AS segment
    FROM (SELECT DISTINCT own, asked,
                 map_concat(coalesce(own, '{{}}')::JSON::MAP(VARCHAR, VARCHAR),
                            coalesce(asked, '{{}}')::JSON::MAP(VARCHAR, VARCHAR)) AS named FROM placed)
)
SELECT project_id, model_name, model_version, metric, segment, bucket_start, sum(n)::DECIMAL(38, 6) AS numerator,
       sum(d)::DECIMAL(38, 6) AS denominator, sum(s)::DECIMAL(38, 12) AS squares, sum(w)::DECIMAL(38, 6) AS weights,
       received_day
FROM placed JOIN texts ON texts.own IS NOT DISTINCT FROM placed.own AND texts.asked IS NOT DISTINCT FROM placed.asked
WHERE n IS NOT NULL GROUP BY ALL
ORDER BY project_id, model_name, model_version, metric, segment, bucket_start
