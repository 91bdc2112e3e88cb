"""Audiences that come in parts: what is kept, what counts once, what a failure leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.services import audience_parts, audiences
from chalicelib.services.errors import ConflictError, InvalidFieldError, NotFoundError, TooManyError
from chalicelib.services.rights import Principal
from chalicelib.services.submit import submit
from chalicelib.tables.audience_headers import Audience, AudienceState, start_completing
from chalicelib.tables.audiences import read_chunk, read_packed, unpack
from chalicelib.tables.base import DATABASE_ERRORS
from tests.support.aws import World
from tests.support.factories import SHOP, submission, user_id, user_ids

AUDIENCES = "AUDIENCES_TABLE"
CINEMA = Principal("application", "cinema")
DAY = 86_400


def ids(first: int, last: int) -> list[bytes]:
    """The packed ids of the users [first, last)."""
    return [UUID(user_id(number)).bytes for number in range(first, last)]


def made(world: World) -> str:
    """The id of an audience that is open."""
    return audiences.create("everybody", SHOP, world.clock()).id


def put(world: World, audience_id: str, number: int, users: list[bytes]) -> Audience:
    return audience_parts.put_part(audience_id, number, users, SHOP, world.clock())


def complete(world: World, audience_id: str) -> Audience:
    return audience_parts.complete(audience_id, SHOP, world.clock())


def members(audience: Audience) -> list[str]:
    """Whom a dispatch to a complete audience has, chunk by chunk."""
    chunks = -(-int(audience.recipients) // 100)
    found = [read_chunk(audience.id, chunk) or [] for chunk in range(chunks)]
    assert all(len(chunk) == 100 for chunk in found[:-1])
    assert read_chunk(audience.id, chunks) is None
    return [user for chunk in found for user in chunk]


def headers(world: World) -> list[dict[str, object]]:
    return [row for row in world.table(AUDIENCES) if row["chunk"] == -1]


def whole(world: World, count: int = 3) -> Audience:
    """A complete audience of so many users."""
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, count + 1))
    return complete(world, audience_id)


def test_each_user_of_the_parts_counts_once_in_the_place_of_the_first(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 2, ids(150, 400))
    put(world, audience_id, 1, ids(1, 251))
    put(world, audience_id, 7, [*ids(1, 3), *ids(1, 3), *ids(900, 902)])
    audience = complete(world, audience_id)
    assert (int(audience.users), int(audience.recipients)) == (250 + 250 + 4, 401)
    assert members(audience) == [user_id(number) for number in (*range(1, 400), 900, 901)]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=250), min_size=1, max_size=4))
def test_whatever_the_parts_are_a_dispatch_has_each_once_in_order(
    world: World, parts: list[list[int]]
) -> None:
    audience_id = made(world)
    for number, part in enumerate(parts, start=1):
        put(world, audience_id, number, [UUID(user_id(each)).bytes for each in part])
    once = dict.fromkeys(user_id(each) for part in parts for each in part)
    assert members(complete(world, audience_id)) == list(once)


def test_a_dispatch_reaches_all_of_them(world: World) -> None:
    audience = whole(world, 130)
    world.knows(user_ids(130))
    dispatch = world.submit(None, audience_id=audience.id)
    assert (dispatch.audience_id, int(dispatch.recipients), int(dispatch.chunks)) == (audience.id, 130, 2)
    world.settle(120)
    assert world.counts(dispatch) == {"sent": 130}
    assert set(world.channel.addresses().values()) == {1}


def test_two_dispatches_share_an_audience(world: World) -> None:
    audience = whole(world)
    world.knows(user_ids(3))
    before = world.table(AUDIENCES)
    for _ in range(2):
        world.submit(None, audience_id=audience.id)
    assert world.table(AUDIENCES) == before
    world.settle()
    assert set(world.channel.addresses().values()) == {2}


# Parts.


def test_the_same_part_again_writes_nothing(world: World) -> None:
    audience_id = made(world)
    first = put(world, audience_id, 1, ids(1, 200))
    writes = world.database.requests["BatchWriteItem"], world.database.requests["UpdateItem"]
    assert put(world, audience_id, 1, ids(1, 200)).by_number == first.by_number
    assert writes == (world.database.requests["BatchWriteItem"], world.database.requests["UpdateItem"])


def test_another_part_of_that_number_takes_its_place(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 300))
    assert int(put(world, audience_id, 1, ids(5, 8)).users) == 3
    assert members(complete(world, audience_id)) == [user_id(number) for number in (5, 6, 7)]


def test_a_complete_audience_takes_the_same_part_and_no_other(world: World) -> None:
    audience = whole(world)
    assert put(world, audience.id, 1, ids(1, 4)).state == AudienceState.COMPLETE
    with pytest.raises(ConflictError, match="complete"):
        put(world, audience.id, 1, ids(1, 5))
    with pytest.raises(ConflictError, match="complete"):
        put(world, audience.id, 2, ids(1, 4))


def test_more_than_fit_are_refused_and_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_parts, "MAX_RECIPIENTS", 10)
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 9))
    before = world.table(AUDIENCES)
    with pytest.raises(TooManyError, match="at most 10 users; with this part it had 11"):
        put(world, audience_id, 2, ids(9, 12))
    assert world.table(AUDIENCES) == before
    assert int(put(world, audience_id, 1, ids(1, 11)).users) == 10  # in the place of the part


def test_at_once_too_parts_never_have_more_than_fit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("chalicelib.services.audience_parts", "chalicelib.tables.audience_headers"):
        monkeypatch.setattr(f"{module}.MAX_RECIPIENTS", 10)
    audience_id = made(world)

    def put_or_refuse(number: int) -> bool:
        try:
            put(world, audience_id, number, ids(number * 10, number * 10 + 4))
        except TooManyError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(put_or_refuse, range(1, 7))) == [False] * 4 + [True] * 2
    assert int(audiences.visible(audience_id, SHOP, world.clock()).users) == 8


def test_two_at_once_for_one_number_never_mix(world: World) -> None:
    audience_id = made(world)
    sent = [ids(1, 150), ids(150, 300), ids(300, 320)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda users: put(world, audience_id, 1, users), sent))
    audience = complete(world, audience_id)
    assert [UUID(user).bytes for user in members(audience)] in sent
    assert int(audience.users) == int(audience.recipients)


def test_nobody_and_too_many_of_one_part_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_parts, "MAX_PART_USERS", 5)
    audience_id = made(world)
    with pytest.raises(InvalidFieldError, match="at least one"):
        put(world, audience_id, 1, [])
    with pytest.raises(TooManyError, match="at most 5"):
        put(world, audience_id, 1, ids(1, 7))
    assert len(world.table(AUDIENCES)) == 1


# Completing.


def test_to_complete_again_changes_nothing(world: World) -> None:
    audience = whole(world)
    before = world.table(AUDIENCES)
    assert complete(world, audience.id).recipients == audience.recipients
    assert world.table(AUDIENCES) == before


def test_without_a_part_there_is_nothing_to_complete(world: World) -> None:
    audience_id = made(world)
    with pytest.raises(ConflictError, match="no part"):
        complete(world, audience_id)
    assert [row["state"] for row in headers(world)] == ["open"]


def test_two_that_complete_at_once_agree(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 260))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: complete(world, audience_id), range(3)))
    assert {int(each.recipients) for each in found} == {259}
    assert len(members(found[0])) == 259


@pytest.mark.parametrize("operation", ["UpdateItem", "Query", "BatchWriteItem"])
def test_what_broke_off_goes_on_with_the_same_request(world: World, operation: str) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 120))
    world.database.fail(operation)
    with pytest.raises(DATABASE_ERRORS):
        complete(world, audience_id)
    with pytest.raises(InvalidFieldError, match=r"open|completing"):
        audiences.usable(audience_id, SHOP, world.clock())
    assert len(members(complete(world, audience_id))) == 119


def test_no_part_is_changed_while_it_is_being_completed(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 120))
    world.database.fail("BatchWriteItem")
    with pytest.raises(DATABASE_ERRORS):
        complete(world, audience_id)
    with pytest.raises(ConflictError, match="completing"):
        put(world, audience_id, 2, ids(1, 5))
    with pytest.raises(ConflictError, match="just being completed"):
        audiences.delete(audience_id, SHOP, world.clock())
    world.clock.advance(61)
    audiences.delete(audience_id, SHOP, world.clock())
    assert headers(world) == []


# Whose they are, and for how long.


def test_another_applications_audience_is_not_found(world: World) -> None:
    audience = whole(world)
    for act in (audiences.visible, audiences.delete, audience_parts.complete):
        with pytest.raises(NotFoundError):
            act(audience.id, CINEMA, world.clock())
    with pytest.raises(NotFoundError):
        audience_parts.put_part(audience.id, 1, ids(1, 4), CINEMA, world.clock())
    with pytest.raises(InvalidFieldError, match="no such audience"):
        audiences.usable(audience.id, CINEMA, world.clock())
    assert audiences.visible(audience.id, Principal("administrator", "anna"), world.clock()).id == audience.id


def test_an_open_audience_goes_before_its_parts_and_a_complete_one_stays(world: World) -> None:
    audience_id, complete_one = made(world), whole(world)
    put(world, audience_id, 1, ids(1, 4))
    (header,) = [row for row in headers(world) if row["part"] == audience_id]
    parts = [row for row in world.table(AUDIENCES) if row["part"].startswith(f"{audience_id}#")]
    end = int(world.clock().timestamp()) + 30 * DAY
    assert header["expires_at"] == end
    assert {row["expires_at"] for row in parts} == {end + DAY}
    own = [row for row in world.table(AUDIENCES) if row["part"] in (complete_one.id, f"{complete_one.id}#0")]
    assert len(own) == 2
    assert not any("expires_at" in row for row in own)
    world.clock.advance(30 * DAY)
    with pytest.raises(NotFoundError):  # whether or not DynamoDB has come to remove it
        audiences.visible(audience_id, SHOP, world.clock())
    assert audiences.usable(complete_one.id, SHOP, world.clock()).id == complete_one.id


def test_parts_that_have_expired_are_no_reason_for_less(world: World) -> None:
    audience_id = made(world)
    audience = put(world, audience_id, 1, ids(1, 120))
    world.database.fail("BatchWriteItem")
    with pytest.raises(DATABASE_ERRORS):
        complete(world, audience_id)
    key = audience.key_of(audience.by_number[1])
    world._dynamodb.delete_item(
        TableName=world.tables[AUDIENCES], Key={"part": {"S": f"{key}#0"}, "chunk": {"N": "1"}}
    )
    with pytest.raises(ConflictError, match="part 1 has expired"):
        complete(world, audience_id)


def test_deleting_lets_the_ids_expire_when_nothing_needs_them_any_more(world: World) -> None:
    audience = whole(world, 250)
    world.knows(user_ids(250))
    dispatch = world.submit(None, audience_id=audience.id)
    audiences.delete(audience.id, SHOP, world.clock())
    assert headers(world) == []
    chunks = [row for row in world.table(AUDIENCES) if row["part"] == f"{audience.id}#0"]
    last_is_due = int(world.clock().timestamp()) + 2 * 60
    assert [row["expires_at"] for row in chunks] == [
        last_is_due + (366 + 30 + 16) * DAY
    ] * 3  # for what is sent in a year
    assert unpack(read_packed(audience.id, 3)) == user_ids(250)
    with pytest.raises(InvalidFieldError, match="no such audience"):
        audiences.usable(audience.id, SHOP, world.clock())
    world.settle(600)
    assert world.counts(dispatch) == {"sent": 250}


def test_a_completing_that_begins_again_is_not_deleted(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 4))
    start_completing(audience_id, world.clock())  # and breaks off
    world.clock.advance(61)
    world.database.before(
        "UpdateItem", Audience.table(), lambda: start_completing(audience_id, world.clock())
    )
    with pytest.raises(ConflictError, match="just being completed"):
        audiences.delete(audience_id, SHOP, world.clock())
    assert complete(world, audience_id).state == AudienceState.COMPLETE


@pytest.mark.parametrize("operation", ["UpdateItem", "Query", "BatchWriteItem", "DeleteItem"])
def test_a_deletion_that_broke_off_goes_on(world: World, operation: str) -> None:
    audience = whole(world, 120)
    world.database.fail(operation)
    with pytest.raises(DATABASE_ERRORS):
        audiences.delete(audience.id, SHOP, world.clock())
    assert len(headers(world)) == 1
    audiences.delete(audience.id, SHOP, world.clock())
    assert headers(world) == []
    assert all("expires_at" in row for row in world.table(AUDIENCES))


# Echoes.


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "BatchWriteItem", "DeleteItem"])
def test_a_lost_answer_changes_nothing(world: World, operation: str) -> None:
    lost = world.database.lose_answers(operation)
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 120))
    put(world, audience_id, 1, ids(1, 130))
    audience = complete(world, audience_id)
    assert (int(audience.users), int(audience.recipients)) == (129, 129)
    mark = audiences.use(audience, "weekly", world.clock())
    assert audiences.visible(audience_id, SHOP, world.clock()).used_by == {mark}
    world.clock.advance(61)
    audiences.delete(audience_id, SHOP, world.clock())
    assert headers(world) == []
    assert lost


# Use.


def test_an_audience_in_use_is_not_deleted(world: World) -> None:
    audience = whole(world)
    audiences.use(audience, "weekly", world.clock())
    with pytest.raises(ConflictError, match="used by the frequency weekly"):
        audiences.delete(audience.id, SHOP, world.clock())
    world.clock.advance(61)  # no frequency came of it: the request had broken off
    audiences.delete(audience.id, SHOP, world.clock())


def test_only_a_complete_audience_can_be_used(world: World) -> None:
    audience = whole(world)
    audiences.delete(audience.id, SHOP, world.clock())
    with pytest.raises(InvalidFieldError, match="being deleted"):
        audiences.use(audience, "weekly", world.clock())
    assert headers(world) == []


def test_only_complete_audiences_are_sent_to(world: World) -> None:
    audience_id = made(world)
    put(world, audience_id, 1, ids(1, 4))
    asked = submission(None, audience_id=audience_id)
    with pytest.raises(InvalidFieldError, match="open, and must be complete"):
        submit(asked, SHOP, world.clock())
    assert world.table("NOTIFICATIONS_TABLE") == world.table("DISPATCHES_TABLE") == []
