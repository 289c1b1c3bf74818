"""Crossbars of analog cells: what conductances do, and the currents that they give the digital neurons."""
