"""The escalation workflow: six durable steps from a task to a validated answer.

`states` says what may follow what, `steps` does the work, `journal` writes it down, `durable` drives it
through crashes (the only importer of the workflow library), `desk` is what routers and commands speak to.
"""
