import pytest

COTRANSPORTER = (
    '{name="KCC2", count=5, turnover="1 /ms", outward={K=1, Cl=1}, half_saturation={K="9 mM", Cl="6 mM"}'
)


def test_a_transporter_is_read(read):
    [transporter] = read(f"transporters=[{COTRANSPORTER}, charge=0}}]").transporters
    assert transporter.net_charge({"K": 1, "Cl": -1}) == 0
    assert transporter.turnover == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("transporter", "fragments"),
    [
        (f"{COTRANSPORTER}, charge=1}}", ("KCC2.charge", "1 e is declared, but a cycle moves +0 e outward")),
        (COTRANSPORTER.replace("Cl=1", "Br=1").replace("Cl=", "Br=") + "}", ("Br", "in neither solution")),
        (COTRANSPORTER.replace(', Cl="6 mM"', "") + "}", ("half_saturation", "missing for Cl")),
        (f'{COTRANSPORTER}, half_saturation_opposite={{Na="1 mM"}}}}', ("a cycle does not move Na",)),
        (COTRANSPORTER.replace("KCC2", "Na/K-ATPase") + "}", ("is the name of a pump too",)),
        (COTRANSPORTER.replace('"1 /ms"', '"-1 /ms"') + "}", ("turnover", "must not be negative")),
    ],
)
def test_impossible_transporters_are_refused(fault_of, transporter, fragments):
    line = fault_of(f"transporters=[{transporter}]")
    for fragment in fragments:
        assert fragment in line


def test_a_pump_may_have_hill_numbers_and_follow_the_potential(read, fault_of):
    dependence = '{kind="HHSigmoidRate", midpoint="-90 mV", scale="30 mV"}'
    pump = read("pumps.0.hill={Na=2.5}", f"pumps.0.voltage_dependence={dependence}").pumps[0]
    assert pump.hill == {"Na": 2.5}
    assert pump.voltage_dependence.scale == 30.0
    assert "a cycle does not move Ca" in fault_of("pumps.0.hill={Ca=2.0}")
