"""Jobs on states: their features, classifiers and reports."""
