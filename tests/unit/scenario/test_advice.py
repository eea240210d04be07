import math

import numpy as np
import pytest

from mc import theory
from mc.errors import ScenarioError, StabilityError
from mc.scenario import advice as advice_module
from mc.scenario.advice import advise
from mc.scenario.composition import compose
from mc.scenario.resolution import (
    resolve_columns,
    resolve_grid_spacing,
    resolve_transverse_cells,
    resolve_voxel_size,
)
from mc.scenario.time_steps import (
    entry_velocities,
    find_time_step_limits,
    largest_time_step,
    resolve_time_step,
)

WIDE = ("geometry.inside_length=40 nm", "geometry.outside_length=40 nm")


def test_patch_scales(read):
    advice = advise(read())
    capacitance = 6.2415e-5 * 10_000
    assert advice.elementary_voltage_step == pytest.approx(1 / capacitance, rel=1e-4)
    assert advice.capacitance_noise == pytest.approx(math.sqrt(26.727 / capacitance), rel=1e-4)


def test_debye_length_of_a_physiological_solution(read):
    advice = advise(read())
    assert advice.debye_length_inside == pytest.approx(0.80, abs=0.03)
    assert 0.2 < advice.dielectric_relaxation_time_outside < 0.5


def test_expected_potential_is_nernst_with_one_permeant_ion(read):
    advice = advise(read())
    assert advice.ghk_potential == pytest.approx(float(theory.nernst_potential(1, 140, 5, 310.15)))


def test_expected_potential_weighs_channels_by_their_open_probability(read):
    sodium = 'channels=[{name="K", count=100, permeability={K="0.03 nm^3/ns"}}, %s]'
    gate = 'gating={states=["c","o"], open=["o"], rates={"c->o"="1 /us", "o->c"="3 /us"}}'
    gated = sodium % ('{name="Na", count=40, permeability={Na="0.01 nm^3/ns"}, ' + gate + "}")
    potential = theory.ghk_potential(
        {"K": 3.0, "Na": 0.1}, {"K": 140, "Na": 0}, {"K": 5, "Na": 145}, {"K": 1, "Na": 1}, 310.15
    )
    assert advise(read(gated)).ghk_potential == pytest.approx(float(potential))


def test_pumps_hyperpolarise(read):
    advice = advise(read("inside.Na=12 mM", "pumps.0.acceleration=1e4"))
    cycles = 5 * 1e-7 * 1e4 * (12 / 22) ** 3 * (5 / 6.5) ** 2
    assert advice.pump_current == pytest.approx(cycles)
    assert advice.ghk_potential_with_pumps < advice.ghk_potential


def test_charging_time_is_capacitance_over_slope_conductance(read):
    """K at its Nernst potential: g = dI/dV of the GHK current there, by its analytic derivative."""
    advice = advise(read("pumps=[]"))
    thermal = 26.7267
    v = advice.ghk_potential / thermal
    density = 6.02214e-4
    conductance = 3.7 * 140 * density * v / -math.expm1(-v) / thermal
    assert advice.charging_time == pytest.approx(6.2415e-5 * 10_000 / conductance, rel=1e-3)


def test_without_channels_there_is_no_potential(read):
    advice = advise(read("channels=[]", "pumps=[]"))
    assert advice.ghk_potential is None
    assert advice.charging_time is None


def test_entry_velocity_in_zero_field_times_the_factor_at_150_mv(read):
    velocity = entry_velocities(read())["K"]
    zero_field = 100 * 0.037 * 4 / (0.3 * 10_000)
    drift = 150 / 26.7267 * 0.3 / 4
    assert velocity == pytest.approx(zero_field * drift / (1 - math.exp(-drift)), rel=1e-5)


def test_results_do_not_depend_on_how_channels_are_split_into_types(read):
    split = (
        'channels=[{name="a", count=60, permeability={K="0.037 nm^3/ns"}}, '
        '{name="b", count=40, permeability={K="0.037 nm^3/ns"}}]'
    )
    assert entry_velocities(read(split))["K"] == pytest.approx(entry_velocities(read())["K"])


def test_entry_into_one_mouth_is_judged_by_the_area_of_the_mouth(read_2d):
    """p d/(delta w H) with the factor at 150 mV: a mouth of 1 nm by 50 nm."""
    velocity = entry_velocities(read_2d("channels.0.count=1"))["K"]
    drift = 150 / 26.7267 * 0.3 / 4
    one = 0.037 * 4 / (0.3 * 50) * drift / (1 - math.exp(-drift))
    assert velocity == pytest.approx(one, rel=1e-5)
    wide = entry_velocities(read_2d("channels.0.count=1", "channels.0.pore.mouth_width=4 nm"))["K"]
    assert wide == pytest.approx(one / 4, rel=1e-5)
    apart = ("channels.0.count=100", "channels.0.placement=even")  # every 2 nm, mouths of 1 nm
    assert entry_velocities(read_2d(*apart))["K"] == pytest.approx(one, rel=1e-5)


@pytest.mark.parametrize(
    ("count", "places", "mouths"),
    [
        (100, 'placement="even", cluster={centre="9 nm", radius="10 nm"}', 5),  # 100 mouths of 1 nm on 20 nm
        (3, 'placement=["0.2 nm", "199.6 nm", "100 nm"]', 2),  # the first two overlap across the end
        (3, 'placement=["10 nm", "11 nm", "12 nm"]', 1),
        (101, 'placement="random"', 1 + 0.5 + 2 * math.sqrt(0.5)),
        (2, 'placement="random", cluster={centre="9 nm", radius="0.1 nm"}', 2),
    ],
)
def test_entry_is_judged_where_mouths_overlap_most(read_2d, count, places, mouths):
    def velocity(count, places):
        channel = f'{{name="K", count={count}, permeability={{K="0.03 nm^3/ns"}}, {places}}}'
        return entry_velocities(read_2d(f"channels=[{channel}]"))["K"]

    assert velocity(count, places) == pytest.approx(mouths * velocity(1, 'placement="even"'))


def test_channels_of_another_type_crowd_a_mouth_as_densely_as_they_stand(read_2d):
    few = '{name="few", count=1, permeability={K="0.03 nm^3/ns"}, placement="even"}'
    many = (
        '{name="many", count=50, permeability={K="0.01 nm^3/ns"}, placement="even"}'  # a quarter of the line
    )
    alone, together = (entry_velocities(read_2d(f"channels=[{one}]"))["K"] for one in (few, f"{few}, {many}"))
    assert together == pytest.approx(alone * (1 + 0.25 / 3))


def test_automatic_time_step_is_one_nanosecond_where_nothing_forbids(read):
    assert resolve_time_step(read("simulation.time_step=auto", *WIDE)) == 1.0


@pytest.mark.parametrize("count", [3000, 10_000, 20_000])
def test_automatic_time_step_is_one_two_or_five_and_never_warned_about(read, count):
    scenario = read("simulation.time_step=auto", f"channels.0.count={count}")
    time_step = resolve_time_step(scenario)
    digit = time_step / 10 ** math.floor(math.log10(time_step) + 1e-9)
    assert round(digit, 9) in (1, 2, 5)
    advice = advise(scenario)
    assert time_step < advice.largest_safe_time_step
    assert not any("time step" in warning for warning in advice.warnings)


def test_automatic_time_step_shrinks_with_fast_gates_and_pumps(read):
    gate = 'channels.0.gating={states=["c","o"], open=["o"], rates={"c->o"="0.5 /ns", "o->c"="1 /us"}}'
    assert resolve_time_step(read("simulation.time_step=auto", gate)) == 0.1
    fast_pump = "pumps.0.acceleration=1e7"
    assert resolve_time_step(read("simulation.time_step=auto", fast_pump)) == 0.05


def test_a_step_too_long_for_the_open_area_is_refused_with_the_longest_that_works(read):
    crowded = (*WIDE, "channels.0.count=3000", "channels.0.pore.diffusion_coefficient=10 um^2/ms")
    longest = largest_time_step(read(*crowded)).possible
    velocity = entry_velocities(read(*crowded))["K"]
    assert velocity * math.sqrt(longest / 2.53) == pytest.approx(0.3)
    with pytest.raises(StabilityError) as error:
        resolve_time_step(read(*crowded, f"simulation.time_step={longest * 1.01} ns"))
    assert "K entering the open pores" in str(error.value)
    named = float(str(error.value).split("works at all is ")[1].split()[0])
    assert resolve_time_step(read(*crowded, f"simulation.time_step={named} ns")) == named


def test_a_step_longer_than_half_a_bath_is_refused(read):
    with pytest.raises(StabilityError, match="step length of Cl in a bath of 20 nm"):
        resolve_time_step(read("simulation.time_step=20 ns"))


def test_a_long_step_is_warned_about_with_the_safe_one(read):
    warnings = advise(read("simulation.time_step=5 ns")).warnings
    assert any("time step 5 ns: too long for step length of Cl" in warning for warning in warnings)


def test_advice_on_an_impossible_step_still_describes_the_regime(read):
    advice = advise(read("simulation.time_step=20 ns"))
    assert advice.n_steps == 100
    assert isinstance(advice.refusals[0], StabilityError)
    with pytest.raises(StabilityError):
        advice.raise_refusals()


def test_pores_that_cover_the_membrane_are_refused(read):
    crowded = advise(read("channels.0.count=100000", "simulation.time_step=auto"))
    assert any("of the membrane" in str(refusal) for refusal in crowded.refusals)
    assert any("of the membrane" in warning for warning in advise(read("channels.0.count=5000")).warnings)


def test_a_tiny_patch_is_warned_about(read):
    warnings = advise(read("geometry.area=1000 nm^2", "channels.0.count=5")).warnings
    assert any("moves the potential by 16" in warning for warning in warnings)
    assert any("thermal noise" in warning for warning in warnings)


def test_a_bath_without_a_bulk_is_warned_about(read):
    warnings = advise(read("geometry.inside_length=7 nm")).warnings
    assert any(warning.startswith("the bath inside, 7 nm, is shorter than ten Debye") for warning in warnings)
    assert not any("Debye" in warning for warning in advise(read()).warnings)


def test_a_permeant_species_with_few_ions_is_named(read):
    warnings = advise(read("inside.K=0.01 mM", "inside.Na=140 mM")).warnings
    assert any(warning.startswith("1 ions of K inside (0.01 mM)") for warning in warnings)


def test_an_impermeant_species_may_be_rare(read):
    assert not any("Ca" in warning for warning in advise(read("inside.Ca=1 nM")).warnings)


def test_a_run_too_short_to_charge_is_warned_about(read):
    warnings = advise(read("channels.0.count=1")).warnings
    assert any("rest will not be reached" in warning for warning in warnings)


def test_a_run_that_comes_to_rest_but_is_too_short_to_judge_is_noted(read):
    def says(charging_times):
        scenario = read()
        duration = charging_times * advise(scenario).charging_time
        advice = advise(read(f"simulation.duration={duration} ns"))
        assert not any("rest will not be reached" in warning for warning in advice.warnings)
        return any("too short a run to judge its mean against GHK" in note for note in advice.notes)

    assert says(10)
    assert not says(30)


def test_a_membrane_held_throughout_need_not_charge(read):
    def warns(commands):
        scenario = read("channels.0.count=1", f"protocol.voltage={commands}")
        return any("rest will not be reached" in warning for warning in advise(scenario).warnings)

    assert not warns('[{potential="-80 mV"}]')
    assert warns('[{potential="-80 mV", stop="1 ns"}]')


@pytest.mark.parametrize("engine", ["brownian", "lattice"])
def test_a_state_that_conducts_better_than_the_others_shortens_the_step(read, engine):
    gate = '{states=["shut", "open"], open=["open"], rates={"shut->open"="1 /ms", "open->shut"="1 /ms"}}'

    def longest(*settings):
        scenario = read(
            f"simulation.engine={engine}", "channels.0.count=3000", f"channels.0.gating={gate}", *settings
        )
        return np.array([limit.safe for limit in find_time_step_limits(scenario)])

    ratios = longest("channels.0.substates={open={K=4.0}}") / longest()
    assert ratios.max() == 1.0
    assert ratios.min() < 0.3


def test_memory_beyond_the_machine_is_refused(read, monkeypatch):
    scenario = read()
    monkeypatch.setattr(advice_module, "machine_memory", lambda: 1e6)
    with pytest.raises(ScenarioError, match="GB of memory, this machine has"):
        advise(scenario).raise_refusals()


def test_grid_is_a_quarter_of_the_debye_length_within_bounds(read):
    def spacing(*overrides):
        scenario = read(*overrides)
        return resolve_grid_spacing(scenario, compose(scenario), resolve_time_step(scenario))

    assert spacing() == pytest.approx(advise(read()).debye_length_outside / 4)
    assert spacing("geometry.outside_length=1 um") == 1.0  # at most 1000 cells
    assert spacing("geometry.grid_spacing=0.1 nm") == 0.1
    dilute = ('inside={K="0.1 mM"}', 'outside={K="0.1 mM"}', "pumps=[]")
    assert spacing(*dilute) == 0.5  # at least 40 cells on the shorter side


SHORT_STEPS = "simulation.time_step=0.05 ns"


@pytest.fixture
def cells_of(read_2d):
    """Return the size of cells along x and their number along y of the small scenario, changed by overrides."""

    def resolve(*overrides):
        scenario = read_2d(*overrides)
        composition, time_step = compose(scenario), resolve_time_step(scenario)
        return (
            resolve_grid_spacing(scenario, composition, time_step),
            resolve_transverse_cells(scenario, composition, time_step),
        )

    return resolve


def test_grid_along_the_normal_is_at_least_half_a_nanometre_in_two_dimensions(cells_of):
    assert cells_of(SHORT_STEPS)[0] == 0.5
    assert cells_of("geometry.grid_spacing=0.1 nm")[0] == 0.1
    assert cells_of("geometry.outside_length=1 um", SHORT_STEPS)[0] == 1.0  # at most 1000 cells


def test_cells_grow_with_the_step_up_to_the_debye_length(cells_of, read_2d):
    """The fastest ion, Cl at 37 degC, 2.64 nm2/ns, makes steps of 1.26 nm in 0.3 ns and of 2.3 nm in 1 ns.

    48 cells on the shorter side, of 30 nm, are then the fewest of at most half a step.
    """
    longer = "geometry.inside_length=40 nm"
    spacing, along = cells_of("simulation.time_step=0.3 ns", longer)
    assert spacing == pytest.approx(30.0 / 48) and np.sqrt(2.0 * 2.64 * 0.3) / 2.0 < 30.0 / 47
    assert along == (128,)  # 200 nm by 1.26 nm is nearer to 128 than to 256
    advice = advise(read_2d("simulation.time_step=1 ns", longer))
    debye_length = min(advice.debye_length_inside, advice.debye_length_outside)
    assert 0.97 * debye_length < advice.grid_spacing <= debye_length
    assert advice.transverse_cells == (2 ** round(np.log2(200.0 / (2.0 * debye_length))),)
    assert not any("Debye length" in warning for warning in advice.warnings if "cells" in warning)


def test_cells_that_steps_would_make_large_still_number_twenty_on_the_shorter_side(cells_of):
    assert cells_of("geometry.inside_length=12 nm", "simulation.time_step=0.5 ns")[0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("width", "cells"), [(200, 256), (1, 4), (45, 32), (46, 64), (360, 256), (363, 512), (1e5, 2048)]
)
def test_cells_along_the_membrane_are_a_power_of_two_of_about_a_nanometre(cells_of, width, cells):
    narrow = "channels.0.pore.mouth_width=0.5 nm"
    assert cells_of(f"geometry.width={width} nm", narrow, SHORT_STEPS)[1] == (cells,)


def test_cells_along_the_membrane_follow_the_spacing_that_is_given(cells_of):
    assert cells_of("geometry.grid_spacing_y=0.4 nm")[1] == (512,)
    assert cells_of("geometry.grid_spacing_y=3 nm")[1] == (64,)


def test_one_dimension_has_no_cells_along_the_membrane(read):
    scenario = read()
    assert resolve_transverse_cells(scenario, compose(scenario), 0.5) == resolve_columns(scenario) == ()
    assert advise(scenario).transverse_cells == ()


def test_pores_larger_than_their_mouths_are_refused(read_2d):
    """A_p = p d/D_p = 0.148 nm2 in a mouth of 1 nm by 0.1 nm; 100 evenly placed do not overlap."""
    even = "channels.0.placement=even"
    narrow = advise(read_2d(even, "geometry.depth=0.1 nm", "simulation.time_step=auto"))
    assert any("cover 148.0% of their mouths" in str(refusal) for refusal in narrow.refusals)
    assert any(
        "cover 14.8% of their mouths" in warning
        for warning in advise(read_2d(even, "geometry.depth=1 nm")).warnings
    )
    assert not any("of their mouths" in warning for warning in advise(read_2d(even)).warnings)


def test_cells_with_more_ions_than_their_sums_hold_are_refused(read_2d):
    coarse = ("geometry.grid_spacing=8 nm", "geometry.grid_spacing_y=25 nm")
    fits = advise(read_2d("geometry.depth=100 nm", *coarse))
    assert not any("a cell of the grid" in str(refusal) for refusal in fits.refusals)
    crowded = advise(read_2d("geometry.depth=40 um", *coarse))
    (refusal,) = [str(one) for one in crowded.refusals if "a cell of the grid" in str(one)]
    assert (
        "charges, more than 100,000: take a smaller grid_spacing or grid_spacing_y, or a smaller depth"
        in refusal
    )


def test_notes_of_two_dimensions_are_for_two_dimensions(read, read_2d):
    def notes(scenario):
        return " ".join(advise(scenario).notes)

    crowded = read_2d("channels.0.placement=even", 'channels.0.cluster={centre="0 nm", radius="10 nm"}')
    assert "where K leak stands closest, about 5 mouths overlap" in notes(crowded)
    assert "overlap" not in notes(read_2d("channels.0.placement=even"))
    assert "take time steps of 0.19 ns or less" in notes(read_2d())
    assert "mouth" not in notes(read_2d("simulation.time_step=0.1 ns", "channels.0.placement=even"))
    assert "wider than the Debye length" in notes(read_2d("geometry.grid_spacing_y=3 nm"))
    assert "mouth" not in notes(read())


def test_baths_are_noted_and_do_not_run_down(read):
    leaky = ("channels.0.permeability.Na=0.005 nm^3/ns", "simulation.duration=200 us", "pumps=[]")
    open_ends, closed = advise(read("geometry.boundary=bath", *leaky)), advise(read(*leaky))
    assert any("exchange ions (K, Cl, Na, A) with baths" in note for note in open_ends.notes)
    assert not any("with baths" in note for note in closed.notes)
    assert any("leaks and pumps change" in warning for warning in closed.warnings)
    assert not any("leaks and pumps change" in warning for warning in open_ends.warnings)


def test_a_species_left_out_of_one_solution_is_no_noise(read):
    assert not any(
        "K inside" in warning for warning in advise(read("inside.K=0 mM", "inside.Na=140 mM")).warnings
    )


def test_more_steps_than_can_be_numbered_are_refused(read):
    advice = advise(read("simulation.duration=10 s", "recording.interval=1 s"))
    with pytest.raises(StabilityError, match=r"2e\+10 steps of 0.5 ns are more than can be numbered"):
        advice.raise_refusals()


def test_run_time_follows_ions_and_steps(read):
    advice = advise(read())
    assert advice.run_seconds == pytest.approx(advice.n_ions * 4000 / advice_module.ASSUMED_SPEED)


def test_run_time_and_memory_in_two_dimensions_follow_the_cells_too(read_2d):
    advice = advise(read_2d(SHORT_STEPS))
    cells = 100 * 256
    a_step = advice.n_ions / advice_module.ASSUMED_TRANSVERSE_SPEED + cells / advice_module.ASSUMED_CELL_SPEED
    assert advice.run_seconds == pytest.approx(40_000 * a_step)
    assert advice.memory_bytes == advice.n_ions * 85 + cells * 1000 + 105 * 100


def test_a_pump_that_senses_a_handful_of_ions_is_warned_of(read):
    """Of 0.01 mM of calcium there are 0.3 ions within 5 nm of 10,000 nm2; of 140 mM potassium 4200."""
    pump = '{name="PMCA", count=5, turnover="100 /s", outward={Ca=1}, half_saturation={Ca="0.2 uM"}}'
    few = advise(read('inside={K="140 mM", Cl="10 mM", Ca="0.01 mM"}', f"pumps=[{pump}]"))
    assert [w for w in few.warnings if "PMCA senses 0.3 ions of Ca inside" in w]
    half = 'half_saturation={K="9 mM", Cl="6 mM"}'
    transporter = f'{{name="KCC2", count=5, turnover="100 /s", outward={{K=1, Cl=1}}, {half}}}'
    assert not [w for w in advise(read(f"transporters=[{transporter}]")).warnings if "senses" in w]


def test_a_transporters_current_at_rest_is_counted(read):
    """A uniporter for potassium out of the cell: what it carries is that of its rates at the potential."""
    uniporter = '{name="U", count=50, turnover="1 /us", outward={K=1}, half_saturation={K="50 mM"}}'
    with_it = advise(read("pumps=[]", f"transporters=[{uniporter}]"))
    without = advise(read("pumps=[]"))
    assert with_it.pump_current == pytest.approx(0.0, abs=1e-6)
    assert with_it.ghk_potential_with_pumps == pytest.approx(without.ghk_potential, abs=0.01)
    sodium = '{name="U", count=500, turnover="10 /us", inward={Na=1}, half_saturation={Na="500 mM"}}'
    leaky = advise(
        read("pumps=[]", 'inside={K="140 mM", Na="10 mM", Cl="10 mM"}', f"transporters=[{sodium}]")
    )
    assert leaky.pump_current < 0.0
    assert leaky.ghk_potential_with_pumps > leaky.ghk_potential + 1.0


# --- counts in voxels ---

LATTICE = "simulation.engine=lattice"


def test_voxels_are_a_tenth_of_the_shorter_bath_unless_said_otherwise(read):
    def spacing(*overrides):
        scenario = read(LATTICE, *overrides)
        assert resolve_grid_spacing(scenario, compose(scenario), 1.0) == resolve_voxel_size(scenario)
        return resolve_voxel_size(scenario)

    assert spacing() == pytest.approx(2.0)
    assert spacing("geometry.inside_length=80 nm") == pytest.approx(3.0)
    assert spacing("geometry.inside_length=5 um") == pytest.approx(25.0)
    assert spacing("geometry.grid_spacing=7 nm") == pytest.approx(7.0)


def test_along_the_membrane_voxels_are_as_long_as_along_its_normal(read_2d):
    scenario = read_2d(LATTICE)
    assert resolve_columns(scenario) == resolve_transverse_cells(scenario, compose(scenario), 1.0) == (128,)
    assert advise(read_2d(SHORT_STEPS)).transverse_cells == (256,)


def test_a_lattices_time_step_follows_from_what_crosses_charges_and_acts(read):
    scenario = read(LATTICE, "simulation.duration=100 us", "simulation.time_step=auto")
    limits = {limit.cause: limit for limit in find_time_step_limits(scenario)}
    crossing = limits["K crossing from voxels of 1 nm"]
    drop = 150.0 / 26.7267
    velocity = sum(
        channel.count * channel.permeability.get("K", 0.0) / scenario.geometry.area
        for channel in scenario.channels
    ) * (drop / -math.expm1(-drop))
    assert crossing.comfortable == pytest.approx(0.05 * 1.0 / velocity, rel=1e-4)
    assert crossing.comfortable < crossing.safe < crossing.possible
    charging = limits["the membrane's charging, all channels open"]
    assert charging.safe == pytest.approx(10.0 * charging.comfortable)
    assert resolve_time_step(scenario) <= min(limit.comfortable for limit in limits.values())
    assert resolve_time_step(read(LATTICE, "simulation.duration=1 us", "simulation.time_step=auto")) <= 1.0


def test_a_lattice_whose_membrane_is_closed_has_no_longest_step(read):
    scenario = read(
        LATTICE, "channels=[]", "pumps=[]", "simulation.duration=1 s", "simulation.time_step=auto"
    )
    assert resolve_time_step(scenario) == 1e6
    assert largest_time_step(scenario).possible == math.inf
    assert math.isinf(advise(scenario).largest_safe_time_step)


def test_a_step_in_which_all_would_cross_is_refused(read):
    long = read(LATTICE, "simulation.duration=1 s", "simulation.time_step=100 ms", "pumps=[]")
    with pytest.raises(StabilityError, match="too long"):
        resolve_time_step(long)


def test_a_lattice_counts_more_ions_than_can_be_numbered(read):
    crowd = ("geometry.area=1000 um^2", "geometry.inside_length=1 um")
    with pytest.raises(ScenarioError, match="can be numbered"):
        advise(read(*crowd))
    advice = advise(read(LATTICE, *crowd))
    assert advice.n_ions > 2**32
    assert advice.memory_bytes < 1e8
    assert not advice.refusals


def test_a_lattice_says_what_its_voxels_leave_out(read):
    advice = advise(read(LATTICE, "simulation.time_step=50 ns", "simulation.duration=100 us"))
    assert any("do not resolve the double layers" in note for note in advice.notes)
    assert any("farther than voxels" in note for note in advice.notes)
    assert not any("wider than the Debye length" in warning for warning in advice.warnings)
    fine = advise(read(LATTICE, "geometry.grid_spacing=0.3 nm", "simulation.time_step=0.01 ns"))
    assert not any("voxels" in note for note in fine.notes)
