"""Samples of what versions were trained on, as the log names them: kept for those who ask how novel an answer is."""
