"""The tool that takes a request as the person said it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.asking.contract import Reply
from api.ide.calls import Call
from api.service.asking import reply_to
from tools.asking.request import MOST_CHARACTERS


async def ask(
    call: Call,
    request: Annotated[
        str, Field(max_length=MOST_CHARACTERS, description="What the person asked, in their words.")
    ],
    product: Annotated[
        str | None, Field(description="Of which product, where the request does not say.")
    ] = None,
) -> Reply:
    """Answer a request in plain words from what is recorded, with its sources: why something is
    slow, what waits, what was gained, why nothing was proposed, who decided what, what a column
    means. It may start a run where that is asked for (role operator); it never decides, undoes or
    changes anything. `asked_back` means: ask the person which of the choices they mean.
    """
    return await reply_to(call.service, call.caller, request, product)
