"""Programs that run in place of a model: published after a run, found for a task, withdrawn when they are wrong."""
