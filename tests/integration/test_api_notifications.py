"""POST and GET /api/v1/notifications: what is accepted, what is refused and why; refusals write nothing."""

import json
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError

from chalicelib import security, settings
from chalicelib.domain.times import utc_now
from chalicelib.services.administrators import create_administrator, issue_token
from chalicelib.services.applications import register_application
from chalicelib.tables.principals import Administrator
from tests.support.api import PROBLEM, Answer, Api, basic
from tests.support.aws import World

PATH = "/api/v1/notifications/"
KEY_OF_NOBODY = "another key, of sixty-four characters, which this service never had"


def a_body(**changed: Any) -> dict[str, Any]:
    body = {"type": "mail", "title": "Hello", "text": "A text.", "users": [str(uuid.uuid4())]}
    return {name: value for name, value in (body | changed).items() if value is not ...}


@pytest.fixture
def api(world: World) -> Api:
    return Api(f"shop {register_application('shop', utc_now()).password}")


def written(world: World) -> dict[str, int]:
    """How many items each table has that a submission writes, and the fan-out messages."""
    tables = ("NOTIFICATIONS_TABLE", "AUDIENCES_TABLE", "DISPATCHES_TABLE", "REQUESTS_TABLE")
    counts = {name: len(world.table(name)) for name in tables}
    for queue in ("FAN_OUT_EXPRESS_QUEUE_URL", "FAN_OUT_REGULAR_QUEUE_URL"):
        counts[queue] = len(world.queues.waiting(queue))
    return counts


def refused(world: World, answer: Answer, status: int, field: str | None = None, reason: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.content_type == PROBLEM
    assert answer.json["detail"]
    if field is not None:
        fields = answer.fields()
        assert field in fields, fields
        assert reason in fields[field]
    assert not any(written(world).values())


def test_accepts_a_notification_and_hands_it_to_fan_out_once(world: World, api: Api) -> None:
    users = [str(uuid.uuid4()) for _ in range(250)]
    answer = api.post(PATH, a_body(users=users, content_id=7, unknown="ignored"))
    assert answer.status == 201
    assert answer.json["recipients"] == 250
    assert answer.json["author"] == "application:shop"
    assert answer.json["content_id"] == "7"
    assert written(world)["FAN_OUT_REGULAR_QUEUE_URL"] == 1
    assert written(world)["AUDIENCES_TABLE"] == 3


def test_express_goes_by_its_own_queue(world: World, api: Api) -> None:
    assert api.post(PATH, a_body(is_express=True)).status == 201
    assert len(world.queues.waiting("FAN_OUT_EXPRESS_QUEUE_URL")) == 1
    assert len(world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL")) == 0


def test_the_last_slash_may_be_left_out(world: World, api: Api) -> None:
    assert api.post(PATH.rstrip("/"), a_body()).status == 201


def test_a_user_in_two_spellings_counts_once(world: World, api: Api) -> None:
    user = uuid.uuid4()
    answer = api.post(PATH, a_body(users=[str(user), user.hex, str(user).upper(), user.hex.upper()]))
    assert answer.json["recipients"] == 1


def test_a_repeat_with_the_same_key_sends_nothing_twice(world: World, api: Api) -> None:
    body, headers = a_body(), {"Idempotency-Key": "order-17"}
    first, second = api.post(PATH, body, headers), api.post(PATH, body, headers)
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"]
    assert (first.json["is_repeat"], second.json["is_repeat"]) == (False, True)
    assert len(world.queues.waiting("FAN_OUT_REGULAR_QUEUE_URL")) == 1
    assert len(world.table("NOTIFICATIONS_TABLE")) == 1


def test_a_key_with_another_body_is_refused(world: World, api: Api) -> None:
    headers = {"Idempotency-Key": "order-17"}
    api.post(PATH, a_body(), headers)
    answer = api.post(PATH, a_body(title="Another"), headers)
    assert answer.status == 422
    assert "another body" in answer.json["detail"]
    assert len(world.table("NOTIFICATIONS_TABLE")) == 1


def test_the_same_key_of_another_application_is_another_key(world: World, api: Api) -> None:
    other = Api(f"other {register_application('other', utc_now()).password}")
    headers = {"Idempotency-Key": "order-17"}
    body = a_body()
    assert api.post(PATH, body, headers).json["id"] != other.post(PATH, body, headers).json["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "ключ"])
def test_a_malformed_key_is_refused(world: World, api: Api, key: str) -> None:
    refused(world, api.post(PATH, a_body(), {"Idempotency-Key": key}), 422, "idempotency-key")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"users=1", b'{"title": "\xff"}', b'{"type": "\\ud800"}', b"\x00"]
)
def test_a_body_that_is_not_json(world: World, api: Api, body: bytes) -> None:
    refused(world, api.post(PATH, body), 400)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true"])
def test_json_that_is_no_object(world: World, api: Api, body: bytes) -> None:
    refused(world, api.post(PATH, body), 422, "(body)", "object")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", None, "application/xml"]
)
def test_another_content_type(world: World, api: Api, content_type: str | None) -> None:
    refused(world, api.post(PATH, a_body(), {"Content-Type": content_type}), 415)


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"title": ...}, "title", "required"),
        ({"title": 5}, "title", "string"),
        ({"title": ""}, "title", "at least 1"),
        ({"title": "   "}, "title", "blank"),
        ({"title": "one\n"}, "title", "one line"),
        ({"title": "x" * 201}, "title", "at most 200"),
        ({"title": "one\r\nBcc: victim@example.com"}, "title", "one line"),
        ({"title": "one\nline"}, "title", "one line"),
        ({"title": "one\u2028line"}, "title", "one line"),
        ({"title": "bell\x07"}, "title", "one line"),
        ({"text": ...}, "text", "required"),
        ({"text": None}, "text", "string"),
        ({"text": "x" * 50_001}, "text", "at most 50000"),
        ({"text": " \n "}, "text", "blank"),
        ({"text": "nul\x00"}, "text", "control characters"),
        ({"type": ...}, "type", "required"),
        ({"type": "pigeon"}, "type", "unknown channel"),
        ({"type": ["mail"]}, "type", "string"),
        ({"users": ...}, "users", "required"),
        ({"users": []}, "users", "at least one"),
        ({"users": "4e0e0e4e-5d2b-4f2e-9d34-6d2f1f3b2a11"}, "users", "array"),
        ({"users": ["not a uuid"]}, "users.0", "UUID"),
        ({"users": [str(uuid.uuid4()), 17]}, "users.1", "UUID"),
        ({"users": [None]}, "users.0", "UUID"),
        ({"is_express": "perhaps"}, "is_express", "boolean"),
        ({"content_id": "x" * 256}, "content_id", "at most 255"),
        ({"content_id": {}}, "content_id", "string"),
    ],
)
def test_a_wrong_field_is_named_with_its_reason(
    world: World, api: Api, changed: dict[str, Any], field: str, reason: str
) -> None:
    refused(world, api.post(PATH, a_body(**changed)), 422, field, reason)


def test_more_users_than_the_limit(world: World, api: Api) -> None:
    users = [uuid.UUID(int=number).hex for number in range(100_001)]
    answer = api.post(PATH, a_body(users=users))
    refused(world, answer, 413)
    assert "100000" in answer.json["detail"]


def test_a_body_over_the_limit(world: World, api: Api) -> None:
    answer = api.post(PATH, a_body(text="x" * 5_000_000))
    refused(world, answer, 413)
    assert "4400000" in answer.json["detail"]


def test_thousands_of_wrong_ids_give_a_short_answer(world: World, api: Api) -> None:
    answer = api.post(PATH, a_body(users=["wrong"] * 50_000))
    refused(world, answer, 422, "users.0")
    assert len(answer.body) < 1_000


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "shop",
        "shop wrong-password",
        "nobody wrong-password",
        "SHOP x",
        "Basic !!!",
        "Basic " + "bm9jb2xvbg==",
        basic("nobody", "wrong password"),
        basic("shop", "wrong password"),
        "Bearer",
        "Bearer not.a.token",
        "Bearer " + "x" * 10_000,
        "../../etc wrong",
    ],
)
def test_missing_or_wrong_credentials(world: World, api: Api, authorization: str | None) -> None:
    answer = api.post(PATH, a_body(), {"Authorization": authorization})
    refused(world, answer, 401)
    assert "Basic" in answer.headers["WWW-Authenticate"]


class TestAdministrators:
    @pytest.fixture
    def password(self, world: World) -> str:
        return create_administrator("anna", utc_now())

    def claims(self, **changed: Any) -> dict[str, Any]:
        now, found = utc_now(), Administrator.one("anna")
        assert found
        claims = {
            "sub": "anna",
            "aud": "vestnik",
            "use": "access",
            "pwd": security.fingerprint(found.password_hash),
            "iat": now,
            "exp": now + timedelta(minutes=5),
        }
        return {name: value for name, value in (claims | changed).items() if value is not ...}

    def secret(self) -> dict[str, Any]:
        return security.read_secret(settings.current().token_secret)

    def signed(self, claims: dict[str, Any], key: str, algorithm: str = "HS256") -> str:
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "1"})

    def test_basic(self, world: World, password: str) -> None:
        answer = Api(basic("anna", password)).post(PATH, a_body())
        assert (answer.status, answer.json["author"]) == (201, "administrator:anna")

    def test_a_wrong_password(self, world: World, password: str) -> None:
        refused(world, Api(basic("anna", password + "x")).post(PATH, a_body()), 401)

    def test_bearer(self, world: World, password: str) -> None:
        token = issue_token("anna", utc_now())
        answer = Api(f"Bearer {token}").post(PATH, a_body())
        assert (answer.status, answer.json["author"]) == (201, "administrator:anna")

    def test_a_token_as_the_next_ones_are_made(self, world: World, password: str) -> None:
        token = self.signed(self.claims(), self.secret()["key"])
        assert Api(f"Bearer {token}").post(PATH, a_body()).status == 201

    @pytest.mark.parametrize(
        "changed",
        [
            {"exp": utc_now() - timedelta(seconds=1)},
            {"exp": ...},
            {"aud": "another"},
            {"aud": ...},
            {"sub": ...},
            {"sub": "nobody"},
            {"use": "refresh"},
            {"use": ...},
            {"pwd": "of another password"},
            {"pwd": ...},
            {"iat": utc_now() + timedelta(hours=1)},
        ],
    )
    def test_a_token_with_wrong_claims(self, world: World, password: str, changed: dict[str, Any]) -> None:
        token = jwt.encode(
            self.claims(**changed), self.secret()["key"], algorithm="HS256", headers={"kid": "1"}
        )
        refused(world, Api(f"Bearer {token}").post(PATH, a_body()), 401)

    @pytest.mark.parametrize(
        ("key", "algorithm"), [(KEY_OF_NOBODY, "HS256"), ("the key", "HS512"), (None, "none")]
    )
    def test_an_unsigned_token_or_one_signed_otherwise(
        self, world: World, password: str, key: str | None, algorithm: str
    ) -> None:
        key = self.secret()["key"] if key == "the key" else key
        token = self.signed(self.claims(), key or "", algorithm)
        refused(world, Api(f"Bearer {token}").post(PATH, a_body()), 401)

    def test_sees_what_an_application_sent(self, world: World, api: Api, password: str) -> None:
        created = api.post(PATH, a_body()).json
        seen = Api(basic("anna", password)).get(f"{PATH}{created['id']}/")
        assert (seen.status, seen.json["author"]) == (200, "application:shop")


class TestReading:
    def test_counts_add_up_and_recipients_come_in_order(self, world: World, api: Api) -> None:
        users = [str(uuid.uuid4()) for _ in range(130)]
        created = api.post(PATH, a_body(users=users)).json
        shown = api.get(f"{PATH}{created['id']}/").json
        assert shown["counts"]["queued"] == sum(shown["counts"].values()) == shown["recipients"] == 130
        assert [each["recipients"] for each in shown["dispatches"]] == [130]
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = api.get(f"{PATH}{created['id']}/recipients/?limit=40{cursor and '&cursor=' + cursor}").json
            assert len(page["results"]) <= 40
            found += [each["user_id"] for each in page["results"]]
            cursor = page["next"]
        assert found == users

    def test_another_applications_notification_is_not_found(self, world: World, api: Api) -> None:
        created = api.post(PATH, a_body()).json
        other = Api(f"other {register_application('other', utc_now()).password}")
        for path in (f"{PATH}{created['id']}/", f"{PATH}{created['id']}/recipients/"):
            answer = other.get(path)
            assert (answer.status, answer.content_type) == (404, PROBLEM)

    @pytest.mark.parametrize("unknown", [str(uuid.UUID(int=0)), "no-uuid"])
    def test_an_unknown_id(self, world: World, api: Api, unknown: str) -> None:
        assert api.get(f"{PATH}{unknown}/").status == 404
        assert api.get(f"{PATH}{unknown}/recipients/").status == 404

    @pytest.mark.parametrize(
        ("query", "field"),
        [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("cursor=%21", "cursor"),
         ("cursor=WzAsIC0xXQ==", "cursor"), ("cursor=e30=", "cursor")],
    )  # fmt: skip
    def test_a_wrong_page_is_refused(self, world: World, api: Api, query: str, field: str) -> None:
        created = api.post(PATH, a_body()).json
        answer = api.get(f"{PATH}{created['id']}/recipients/?{query}")
        assert (answer.status, list(answer.fields())) == (422, [field])

    def test_nobody_reads_without_credentials(self, world: World, api: Api) -> None:
        created = api.post(PATH, a_body()).json
        assert Api().get(f"{PATH}{created['id']}/").status == 401


def test_an_outage_of_the_tables_is_a_503_that_says_when_to_come_again(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.database.fail("PutItem", world.tables["NOTIFICATIONS_TABLE"], times=10)
    answer = api.post(PATH, a_body())
    assert (answer.status, answer.content_type) == (503, PROBLEM)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("code", "status"),
    [("ValidationException", 500), ("AccessDeniedException", 500), ("ThrottlingException", 503)],
)
def test_what_the_tables_refuse_for_good_is_a_500(world: World, api: Api, code: str, status: int) -> None:
    error = ClientError({"Error": {"Code": code}}, "PutItem")
    world.database.fail("PutItem", world.tables["NOTIFICATIONS_TABLE"], times=10, error=error)
    answer = api.post(PATH, a_body())
    assert (answer.status, "Retry-After" in answer.headers) == (status, status == 503)


def test_a_bug_is_a_500_that_gives_nothing_away(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("chalicelib.services.submit.submit", broken)
    answer = api.post(PATH, a_body())
    assert (answer.status, answer.content_type) == (500, PROBLEM)
    assert b"secret detail" not in answer.body


def test_large_bodies_are_accepted_up_to_the_limit(world: World, api: Api) -> None:
    users = [str(uuid.UUID(int=number)) for number in range(100_000)]
    raw = json.dumps(a_body(users=users)).encode()
    assert len(raw) < 4_400_000
    answer = api.post(PATH, raw)
    assert (answer.status, answer.json["recipients"]) == (201, 100_000)
    assert len(world.table("AUDIENCES_TABLE")) == 1_000
