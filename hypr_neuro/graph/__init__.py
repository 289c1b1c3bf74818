"""What a network is: its description, populations and connections, in float and in integers; runs nothing."""
