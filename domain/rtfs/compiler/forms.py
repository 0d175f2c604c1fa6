"""The table of forms: everything that a list may begin with and that is no function."""

from __future__ import annotations

from typing import Final

from domain.rtfs.compiler import (
    binding_forms,
    bodies,
    choice_forms,
    effect_forms,
    error_forms,
    flow_forms,
    function_forms,
    input_forms,
    metadata_forms,
    quoting,
    step_forms,
    struct_forms,
)
from domain.rtfs.compiler.analysis import Form

FORMS: Final[dict[str, Form]] = {
    "let": binding_forms.let,
    "do": bodies.do,
    "fn": function_forms.function,
    "λ": function_forms.function,
    "lambda": function_forms.function,
    "#": function_forms.shorthand,
    "def": binding_forms.stray_definition,
    "defn": binding_forms.stray_definition,
    "defmacro": binding_forms.stray_definition,
    "defstruct": struct_forms.stray_type,
    "deftype": struct_forms.stray_type,
    "quote": quoting.quote,
    "'": quoting.quoted,
    "@": input_forms.context,
    "^": metadata_forms.annotated_form,
    "resource:ref": input_forms.resource,
    "loop": binding_forms.loop,
    "recur": binding_forms.recur,
    "if": choice_forms.if_form,
    "if-not": choice_forms.if_form,
    "step-if": step_forms.step_if,
    "when": choice_forms.when_form,
    "when-not": choice_forms.when_form,
    "if-let": choice_forms.if_let,
    "when-let": choice_forms.if_let,
    "cond": choice_forms.cond,
    "case": choice_forms.case,
    "match": choice_forms.match,
    "and": choice_forms.and_form,
    "or": choice_forms.or_form,
    "call": effect_forms.call,
    "step": step_forms.step,
    "step-loop": step_forms.step_loop,
    "step-parallel": step_forms.step_parallel,
    "try": error_forms.try_form,
    "catch": error_forms.stray_clause,
    "finally": error_forms.stray_clause,
    "Exception.": error_forms.made_error,
    "RuntimeError.": error_forms.made_error,
    "ValidationError.": error_forms.made_error,
    "->": flow_forms.thread,
    "->>": flow_forms.thread,
    "as->": flow_forms.thread_as,
    "some->": flow_forms.thread_some,
    "some->>": flow_forms.thread_some,
    "for": flow_forms.comprehension,
    "doseq": flow_forms.comprehension,
    "dotimes": flow_forms.dotimes,
    "partial": flow_forms.function_of_functions,
    "comp": flow_forms.function_of_functions,
    "complement": flow_forms.function_of_functions,
    "constantly": flow_forms.function_of_functions,
}
"""Names to forms. ``#`` stands for ``#(…)``, ``'`` for every kind of quoting, ``@`` for ``@name``, ``^`` for
metadata.
"""
