"""The stages of a run put together: settings that suit a data set, the stages, the demonstration."""
