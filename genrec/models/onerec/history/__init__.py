"""What comes between the events of a history and the blocks over them: compression, or several pathways."""
