"""A language model as a teacher in training only (LSVCR's idea, arXiv 2403.13574): at serving it is gone.

A small sequential model's user vectors are drawn towards the language model's vectors of the same users. The paper
does this with two sequences, of videos and of comments, and a tuned ChatGLM3-6B; here are one sequence and a
frozen model, so of the paper this is the idea and not the method. docs/teacher.md says what differs.
"""
