"""A Flask app whose views need an API key. Start it with

KEYPIN_DATA_URL=http://127.0.0.1:8081 flask --app flask_app run --port 8000
"""

import atexit
import os

from flask import Flask, request

from keypin import Guard
from keypin.wsgi import ProtectMiddleware, principal, require_scopes

guard = Guard(os.environ["KEYPIN_DATA_URL"], token=os.environ.get("KEYPIN_DATA_TOKEN"))
atexit.register(guard.close)  # reports what was used since the last report

app = Flask(__name__)
app.wsgi_app = ProtectMiddleware(app.wsgi_app, guard=guard, exclude=["/health"])  # type: ignore[method-assign]  # Flask's own way


@app.get("/health")
def health() -> dict[str, bool]:
    return {"fresh": guard.fresh}


@app.get("/workflows")
@require_scopes("workflows:read")
def workflows() -> dict[str, str]:
    return {"called_with": principal(request).name}


@app.post("/workflows")
@require_scopes("workflows:write")
def create_workflow() -> dict[str, bool]:
    return {"created": True}
