"""What both faces do: each action is a plan, and then a result, in words."""
