"""How the property tests run: the same examples every time, so that only a change can make them fail.

`HYPOTHESIS_PROFILE=default` looks for new ones.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
