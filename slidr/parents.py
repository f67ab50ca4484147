"""Which slice leans on which group: apart from calibration, whose solver takes seconds to load."""

from typing import Final

from model.manifest import SLICES

# False positives differ more between users and guests than between devices.
PARENTS: Final = {name: name.split("|")[1] for name in SLICES} | {"user": "all", "guest": "all"}
