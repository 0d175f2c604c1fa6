"""What is said of the language: tables that documents, commands and the planner's card are made from."""

from domain.rtfs.reference.errors import ERRORS, ErrorDoc
from domain.rtfs.reference.forms import FORM_DOCS, FormDoc
from domain.rtfs.reference.types import PREDICATE_DOCS, TYPE_DOCS, TypeDoc

__all__ = ["ERRORS", "FORM_DOCS", "PREDICATE_DOCS", "TYPE_DOCS", "ErrorDoc", "FormDoc", "TypeDoc"]
