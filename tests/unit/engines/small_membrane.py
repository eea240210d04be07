"""A small membrane with everything in it, for the tests of engines."""

TABLES = {
    "title": "Small",
    "simulation": {"duration": "100 ns", "time_step": "0.5 ns", "seed": 1},
    "geometry": {"area": "0.002 um^2", "inside_length": "8 nm", "outside_length": "12 nm"},
    "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
    "inside": {"K": "140 mM", "Na": "50 mM", "Cl": "10 mM"},
    "outside": {"K": "20 mM", "Na": "130 mM", "Cl": "120 mM", "Ca": "2 mM"},
    "channels": [
        {
            "name": "K leak",
            "count": 100,
            "permeability": {"K": "0.04 nm^3/ns", "Na": "0.01 nm^3/ns"},
            "gating": {
                "states": ["closed", "open"],
                "open": ["open"],
                "rates": {"closed->open": "50 /us", "open->closed": "20 /us"},
            },
        },
        {"name": "Cl leak", "count": 30, "permeability": {"Cl": "0.03 nm^3/ns"}},
    ],
    "pumps": [{"name": "Na/K-ATPase", "count": 10, "turnover": "100 /s", "acceleration": 1e6}],
    "recording": {"interval": "2 ns", "profile_interval": "10 ns", "positions_interval": "20 ns"},
}
