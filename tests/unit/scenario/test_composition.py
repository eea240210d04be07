import pytest

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR as DENSITY
from mc.errors import ScenarioError
from mc.scenario.composition import compose


def test_counts_are_concentration_times_volume(read):
    composition = compose(read())
    assert composition.names == ("K", "Cl", "Na", "A")
    assert composition.counts_inside[0] == round(140 * DENSITY * 10_000 * 20)
    assert composition.counts_outside[2] == round(145 * DENSITY * 10_000 * 30)
    assert composition.n_ions == composition.counts_inside.sum() + composition.counts_outside.sum()


def test_anions_make_each_side_exactly_neutral(read):
    composition = compose(read("inside.Ca=0.37 mM", "geometry.area=1234.5 nm^2"))
    assert composition.valences @ composition.counts_inside == 0
    assert composition.valences @ composition.counts_outside == 0
    assert composition.counts_inside[-1] == composition.anion_added_inside > 0
    assert composition.counts_outside[-1] == composition.anion_added_outside > 0


def test_added_anions_are_told_in_millimolar(read):
    composition = compose(read())
    assert composition.anion_concentration_inside == pytest.approx(130, rel=1e-3)
    assert composition.anion_concentration_outside == pytest.approx(35, rel=1e-3)


def test_a_neutral_box_gets_no_anion(read):
    composition = compose(read("inside.K=10 mM", "outside.Cl=150 mM"))
    assert "A" not in composition.names
    assert composition.anion_added_inside == 0


def test_a_line_holds_the_ions_of_a_patch_of_the_same_area(read, read_2d):
    patch, line = compose(read()), compose(read_2d())
    assert line.counts_inside.tolist() == patch.counts_inside.tolist()
    assert line.counts_outside.tolist() == patch.counts_outside.tolist()


@pytest.mark.parametrize("area", [1000 + 37 * i for i in range(12)])
def test_rounding_to_whole_ions_never_charges_a_neutral_solution(read, area):
    outside = 'outside={K="3.3 mM", Na="141.3 mM", Mg="1.2 mM", Cl="147 mM"}'
    magnesium = ("species.Mg.valence=2", "species.Mg.diffusion_coefficient=0.71 um^2/ms")
    composition = compose(read(outside, *magnesium, f"geometry.area={area} nm^2"))
    assert composition.valences @ composition.counts_outside == 0
    assert composition.anion_added_outside <= 2


def test_rounding_is_mended_by_a_cation_without_a_monovalent_anion(read):
    sulfate = ("species.SO4.valence=-2", "species.SO4.diffusion_coefficient=1.06 um^2/ms")
    for area in range(1000, 1400, 23):
        composition = compose(
            read('inside={K="10.1 mM", SO4="5.05 mM"}', *sulfate, f"geometry.area={area} nm^2", "channels=[]")
        )
        assert composition.valences @ composition.counts_inside == 0


def test_surplus_negative_charge_is_refused_with_the_remedy(read):
    with pytest.raises(ScenarioError) as error:
        compose(read("inside.Cl=150 mM"))
    charge = round(150 * DENSITY * 200_000) - round(140 * DENSITY * 200_000)
    assert "small.toml:17: inside: more negative than positive charge, by 10 mM" in str(error.value)
    assert f"{charge} e" in str(error.value)
    assert "add 10 mM of a monovalent cation" in str(error.value)


def test_more_ions_than_can_be_numbered_are_refused(read):
    with pytest.raises(ScenarioError, match=r"geometry\.area: \d\.?\d*e\+\d\d ions fill the box"):
        compose(read("geometry.area=1 m^2"))


def test_a_line_with_too_many_ions_is_told_to_be_narrower(read_2d):
    with pytest.raises(ScenarioError, match=r"geometry\.width: .*; reduce width, depth, inside_length"):
        compose(read_2d("geometry.width=1 m", "geometry.depth=1 m"))
