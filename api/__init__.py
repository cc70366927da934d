"""The HTTP edge: parse, authorise, call, answer; it holds no rule and never imports Dagster, GX or scikit-learn."""
