"""Features: any JSON becomes flat names and values."""

from hypothesis import given as given_any
from hypothesis import strategies as st

from feedback_loop.learning.features import MAX_FEATURES, flatten, flatten_text

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given_any(values)
def test_anything_flattens_to_numbers_and_text(inputs):
    """Whatever JSON an inference holds, each value is a float or a text."""
    assert all(type(value) in (float, str) for value in flatten(inputs).values())


def test_names_say_where_a_value_stood():
    """Names are joined by dots in the order of the inputs, booleans are numbers, nulls are left out."""
    flat = flatten({"pixels": [1, 2.5], "user": {"tier": "pro", "new": True}, "gone": None})

    assert list(flat.items()) == [("pixels.0", 1.0), ("pixels.1", 2.5), ("user.tier", "pro"), ("user.new", 1.0)]
    assert flatten(3) == {"value": 3.0}


def test_json_text_flattens_the_same():
    """Tables hold inputs as text, or nothing."""
    assert flatten_text('{"x": [1]}') == {"x.0": 1.0}
    assert flatten_text(None) == {}


def test_one_huge_input_is_cut():
    """One event with very many values does not make everybody's matrix explode."""
    assert len(flatten(list(range(10_000)))) == MAX_FEATURES
