"""An agent that looks for links in Markdown pages that lead nowhere. See links.yaml for its task."""

import posixpath
import re

from adapters.agents.declare import agent
from domain.agents.context import Context

LINK = re.compile(r"\]\(([^)#?\s]+)")


@agent("docs.links", version="1")
async def links(ctx: Context, inputs: dict) -> dict:
    """Reads every page of a folder, side by side, and names the links between files that lead nowhere."""
    folder = inputs["folder"]
    entries = await ctx.call("fs.list", path=folder, recursive=True)
    files = {entry["path"] for entry in entries if entry["kind"] == "file"}
    pages = sorted(path for path in files if path.endswith(".md"))
    found = await ctx.parallel(*(_links_of(ctx, page) for page in pages))
    broken = [
        {"page": page, "link": link}
        for page, targets in zip(pages, found, strict=True)
        for link in targets
        if (target := posixpath.normpath(posixpath.join(posixpath.dirname(page), link))).startswith(f"{folder}/")
        and target not in files
    ]
    await ctx.log(f"{len(broken)} broken links in {len(pages)} pages")
    return {"pages": len(pages), "links": sum(map(len, found)), "broken": broken, "at": await ctx.now()}


async def _links_of(ctx: Context, page: str) -> list[str]:
    text = await ctx.call("fs.read", path=page)
    return [link for link in LINK.findall(text) if "://" not in link]
