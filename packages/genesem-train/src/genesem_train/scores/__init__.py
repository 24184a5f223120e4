"""What domains are worth: scores, intervals, and the summary that every report shows."""
