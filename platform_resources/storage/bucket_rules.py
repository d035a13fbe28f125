"""The lifecycle rules of a bucket: read, compared with those wanted, and put, others' rules left as they are.

S3 keeps all rules of a bucket as one document, which a put replaces. A rule is ours when its id begins with the owner's
name; everything else goes back exactly as it came.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from platform_resources.errors import ResourceError
from platform_resources.settings import S3Settings
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.table import TableSpec

MOST_RULES = 1000
_LONGEST_ID = 255
Change = Literal["add", "change", "remove", "keep"]
Raw = Mapping[str, Any]


class BucketRulesRefused(ResourceError):
    """The lifecycle rules of a bucket could not be read or put; they are as they were."""

    def __init__(self, bucket: str, problem: str, *, fix: str) -> None:
        self.bucket = bucket
        super().__init__(f"lifecycle of bucket {bucket}: {problem}; nothing was changed. Fix: {fix}.")


@dataclass(frozen=True, kw_only=True)
class BucketRule:
    """A rule of a bucket; days count from the instant at which an object was made, replaced, or its upload begun.

    Attributes:
        name: What tells it from the owner's other rules.
        prefix: Of the keys that it is about, at least one character.
        transitions: Days, and the storage class that an object of that age moves to.
        expire_days: After which an object goes.
        earlier_versions_days: After which an object that was replaced or deleted goes, where the bucket keeps those.
        uploads_days: After which an upload that was never completed goes.
    """

    name: str
    prefix: str
    transitions: tuple[tuple[int, str], ...] = ()
    expire_days: int | None = None
    earlier_versions_days: int | None = None
    uploads_days: int | None = None

    def to_s3(self, owner: str) -> dict[str, Any]:
        """Return the rule as S3 has it."""
        rule: dict[str, Any] = {"ID": _id(owner, self.name), "Filter": {"Prefix": self.prefix}, "Status": "Enabled"}
        if self.transitions:
            rule["Transitions"] = [{"Days": days, "StorageClass": name} for days, name in self.transitions]
        if self.expire_days is not None:
            rule["Expiration"] = {"Days": self.expire_days}
        if self.earlier_versions_days is not None:
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": self.earlier_versions_days}
        if self.uploads_days is not None:
            rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": self.uploads_days}
        return rule


@dataclass(frozen=True, kw_only=True)
class RuleChange:
    """What is to become of one rule of ours."""

    change: Change
    id: str
    before: Raw | None
    after: Raw | None


@dataclass(frozen=True, kw_only=True)
class RulesDiff:
    """What a put would change.

    Attributes:
        changes: Of each rule of ours, by its id.
        others: How many rules are not ours.
    """

    bucket: str
    changes: tuple[RuleChange, ...]
    others: int

    @property
    def is_empty(self) -> bool:
        """Whether the bucket says all of it already."""
        return all(change.change == "keep" for change in self.changes)


@dataclass(frozen=True)
class BucketRules:
    """The rules of one bucket, as one owner sees them."""

    s3: S3Settings
    bucket: str
    owner: str
    """What ids of its rules begin with; unlike that of any other owner."""

    def diff(self, wanted_rules: Sequence[BucketRule]) -> RulesDiff:
        """Return what `put` would change; nothing is.

        Raises:
            BucketRulesRefused: the bucket cannot be read, or has too many rules of others.
        """
        present_rules, _ = self._read()
        return self._diff(present_rules, wanted_rules)

    def put(self, wanted_rules: Sequence[BucketRule]) -> RulesDiff:
        """Return what was changed; without a difference nothing is sent.

        Raises:
            BucketRulesRefused: the bucket has too many rules of others, or S3 refused.
        """
        present_rules, smallest = self._read()
        rules_diff = self._diff(present_rules, wanted_rules)
        if not rules_diff.is_empty:
            others = [rule for rule in present_rules if not self._is_ours(rule)]
            self._write([*others, *(bucket_rule.to_s3(self.owner) for bucket_rule in wanted_rules)], smallest)
        return rules_diff

    def _is_ours(self, rule: Raw) -> bool:
        return str(rule.get("ID", "")).startswith(f"{self.owner}:")

    def _diff(self, present_rules: Sequence[Raw], wanted_rules: Sequence[BucketRule]) -> RulesDiff:
        ours = {str(raw["ID"]): raw for raw in present_rules if self._is_ours(raw)}
        new = {_id(self.owner, bucket_rule.name): bucket_rule.to_s3(self.owner) for bucket_rule in wanted_rules}
        others = len(present_rules) - len(ours)
        if others + len(new) > MOST_RULES:
            raise BucketRulesRefused(
                self.bucket,
                f"has {others} rules of others, and {len(new)} of ours would make more than {MOST_RULES}",
                fix="remove rules that are not used any more, or give the lake a bucket of its own",
            )
        changes = [_change(name, ours.get(name), new.get(name)) for name in sorted({*ours, *new})]
        return RulesDiff(bucket=self.bucket, changes=tuple(changes), others=others)

    def _read(self) -> tuple[list[Raw], str | None]:
        """Return all rules, and the smallest size of objects that move, which belongs to the document."""
        from botocore.exceptions import ClientError

        with self._translated_errors("read"):
            try:
                document = self.s3.boto3_client().get_bucket_lifecycle_configuration(Bucket=self.bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
                    return [], None
                raise
        return list(document.get("Rules", [])), document.get("TransitionDefaultMinimumObjectSize")

    def _write(self, rules: Sequence[Raw], smallest: str | None) -> None:
        client = self.s3.boto3_client()
        with self._translated_errors("put"):
            if not rules:
                client.delete_bucket_lifecycle(Bucket=self.bucket)
                return
            more: Any = {"TransitionDefaultMinimumObjectSize": smallest} if smallest else {}
            configuration: Any = {"Rules": rules}
            client.put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration=configuration, **more)

    @contextmanager
    def _translated_errors(self, verb: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            action = {"read": "s3:GetLifecycleConfiguration", "put": "s3:PutLifecycleConfiguration"}[verb]
            fix = f"allow {action} on the bucket" if code in {"AccessDenied", "403"} else "see the server's words"
            message = error.response["Error"].get("Message", "")
            raise BucketRulesRefused(self.bucket, f"could not be {verb}: {code}, {message}", fix=fix) from error
        except BotoCoreError as error:
            raise BucketRulesRefused(self.bucket, f"could not be {verb}: {error}", fix="check the endpoint") from error


def data_prefixes(spec: TableSpec) -> tuple[str, ...]:
    """List what the names of a table's data files begin with, and those of its log and metadata do not."""
    stored_as = FORMATS[spec.format]
    if stored_as.data_folder:
        return (stored_as.data_folder,)
    return stored_as.data_names if spec.partition_column is None else (f"{spec.partition_column}=",)


def _id(owner: str, name: str) -> str:
    """Return the rule's id: the owner and the name, hashed where S3 has no room for it."""
    plain_id = f"{owner}:{name}"
    if len(plain_id.encode()) <= _LONGEST_ID:
        return plain_id
    return f"{owner}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _change(name: str, before: Raw | None, after: Raw | None) -> RuleChange:
    if before is None:
        return RuleChange(change="add", id=name, before=None, after=after)
    if after is None:
        return RuleChange(change="remove", id=name, before=before, after=None)
    same = _comparable(before) == _comparable(after)
    return RuleChange(change="keep" if same else "change", id=name, before=before, after=after)


def _comparable(rule: Raw) -> dict[str, Any]:
    """Return what a rule says, however a server writes it: an empty part says nothing, transitions have no order."""
    filled_parts = {name: part for name, part in rule.items() if part not in ([], {}, None)}
    moves = filled_parts.get("Transitions", [])
    return {**filled_parts, "Transitions": sorted((move.get("Days"), move.get("StorageClass")) for move in moves)}
