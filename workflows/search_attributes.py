"""By what runs are found in Temporal's lists. A run sets these itself, so it does not matter who started it."""

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import SearchAttributeKey

FLOW = SearchAttributeKey.for_keyword("ResproutFlow")
VERSION = SearchAttributeKey.for_keyword("ResproutVersion")
TENANT = SearchAttributeKey.for_keyword("ResproutTenant")
TAGS = SearchAttributeKey.for_keyword_list("ResproutTags")
# Of a run that is open: running, paused or waiting. Of a task, to its end: pending, routing, executing, completed …
STATUS = SearchAttributeKey.for_keyword("ResproutStatus")

ALL = (FLOW, VERSION, TENANT, TAGS, STATUS)


def introduce(flow: str, version: str | None, tenant: str, tags: Sequence[str]) -> None:
    told = [FLOW.value_set(flow), TENANT.value_set(tenant), STATUS.value_set("running")]
    if version is not None:
        told.append(VERSION.value_set(version))
    workflow.upsert_search_attributes([*told, TAGS.value_set(list(tags))] if tags else told)


def introduce_task(tenant: str, status: str) -> None:
    workflow.upsert_search_attributes([TENANT.value_set(tenant), STATUS.value_set(status)])


def say(status: str) -> None:
    workflow.upsert_search_attributes([STATUS.value_set(status)])
