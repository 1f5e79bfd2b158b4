"""A FastAPI app whose routes need an API key. Start it with

KEYPIN_DATA_URL=http://127.0.0.1:8081 uvicorn fastapi_app:app --port 8000

The guard is closed with the app, so a test that starts it twice makes both in a function.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI

from keypin import Guard
from keypin.asgi import ProtectMiddleware, require_scopes
from keypin.types import VerifiedApiKey

guard = Guard(os.environ["KEYPIN_DATA_URL"], token=os.environ.get("KEYPIN_DATA_TOKEN"))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await guard.aclose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(ProtectMiddleware, guard=guard, exclude=["/health"])


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"fresh": guard.fresh}


@app.get("/workflows")
async def workflows(key: Annotated[VerifiedApiKey, Depends(require_scopes("workflows:read"))]) -> dict[str, str]:
    return {"called_with": key.name}


@app.post("/workflows", dependencies=[Depends(require_scopes("workflows:write"))])
async def create_workflow() -> dict[str, bool]:
    return {"created": True}
