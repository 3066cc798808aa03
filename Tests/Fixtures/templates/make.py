"""Renders more conversations with the published templates, as transformers does (jinja2, trim_blocks
and lstrip_blocks, `tojson` without ASCII escapes). Run: python make.py FOLDER-OF-TEMPLATES"""
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
VARS = {"bos_token": "<s>", "eos_token": "</s>"}


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def assistant(text, *calls, **more):
    message = {"role": "assistant", "content": text} | more
    if calls:
        message["tool_calls"] = [{"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": a}}
                                 for i, (n, a) in enumerate(calls)]
    return message


def tool(text):
    return {"role": "tool", "content": text, "tool_call_id": "c0"}


ODD = {"é": "日本\u2028<&>'\"\\/\b\f\n\r\t\x01\x7f🚀", "n": [1, -2.5, 1e16, 1e-7, 1.0, 123456789012345, True, None],
       "o": {}, "l": []}
CONVERSATIONS = {
    "empty": [],
    "system_only": [system("Be kind.")],
    "systems_everywhere": [system("A"), user("1"), system("B"), assistant("2"), system(""), user("3")],
    "thoughts": [user("1"), assistant("<think>a</think>b"), user("2"), assistant("a</think>b</think>c"),
                 user("3"), assistant("</think>")],
    "prefix": [user("1"), assistant("Once", prefix=True)],
    "prefix_thoughts": [user("1"), assistant("<think>So</think>Once", prefix=True)],
    "two_calls": [user("1"), assistant("Let me see. ", ("f", "{}"), ("g", '{"a":1}')), tool("r1"), tool("r2"),
                  assistant("Done </think> now."), user("2"), assistant(None, ("f", "{}")), tool("r3")],
    "call_after_answer": [user("1"), assistant("x"), assistant("y", ("f", "{}")), assistant("z", ("g", "{}")),
                          tool("r"), user("2")],
    "calls_only": [assistant("", ("f", "{}"))],
    "odd_arguments": [user("1"), assistant(None, ("f", json.dumps(ODD, ensure_ascii=False)))],
    "object_arguments": [user("1"), assistant(None, ("f", ODD), ("g", [])), tool("r"), assistant("ok")],
    "no_calls": [user("1"), assistant("x") | {"tool_calls": []}, user("2")],
    "tool_first": [tool("r"), assistant("x"), tool("s"), user("1")],
    "null_user": [user(None)],
    "null_assistant": [user("1"), assistant(None)],
    "spaces_and_marks": [user("  <｜Assistant｜>\n\n "), assistant(" <｜end▁of▁sentence｜> "), user("")],
}


def environment():
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    return environment


def main(folder):
    lines = []
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        template = environment().from_string(path.read_text())
        for context, messages in CONVERSATIONS.items():
            thinkings = (None, True) if "v3.1" in path.name else (None,)
            for prompt, thinking in [(p, t) for p in (True, False) for t in thinkings]:
                if not prompt and context not in ("two_calls", "prefix", "thoughts", "tool_first"):
                    continue
                variables = VARS | {"add_generation_prompt": prompt}
                if thinking is not None:
                    variables["enable_thinking"] = thinking
                try:
                    rendered = template.render(messages=messages, **variables)
                except (TypeError, jinja2.TemplateError):
                    rendered = None
                lines.append({"template": path.name, "context": context, "vars": variables,
                              "rendered": rendered, "messages_and_tools": {"messages": messages}})
    (HERE / "more-renderings.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


main(sys.argv[1])
