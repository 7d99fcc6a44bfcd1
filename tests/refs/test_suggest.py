from cas.refs.suggest import near_misses


def test_near_misses_come_best_first():
    names = ["flights", "flights_clean", "flight", "weather", "Flihgts"]
    assert near_misses("flihgts", names) == ("Flihgts", "flights", "flight")
    assert near_misses("flights", [*names, "FLIGHTS"])[:1] == ("FLIGHTS",)
    assert near_misses("zebra", names) == ()
    assert near_misses("", names) == ()
    assert near_misses("flights", names, count=1) == ("flights",)
