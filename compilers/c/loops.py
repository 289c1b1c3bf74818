"""C99 from the syntax tree of a tagged function over arrays: update rules and errors of `sim.learning`.

Beside what `translate` takes: ``while``, entries of arrays that C holds (`CArray`), ``array.shape``, ``np.int64(x)``
and ``name = np.zeros(length, np.int64)``, which becomes static memory. An array that is only written, in one loop over
all of its entries, can be a `Sink`: C hands each entry on where it arises and never holds the array.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypr_neuro.compilers.c.expression import SUM, UNARY, Expression, literal
from hypr_neuro.compilers.c.loop_forms import loops_among, stop_of, touches, writes, writes_each
from hypr_neuro.compilers.c.names import c_name, nested_names, safe, stored_names
from hypr_neuro.compilers.c.translate import Translator, module

Tagged = Callable[..., Any]


@dataclass(frozen=True)
class CArray:
    """An array that C holds.

    Attributes
    ----------
    element : str
        C text of an entry, {0} and {1} its indices.
    shape : tuple of str
        C text of the lengths.
    narrow : bool
        Whether its type has fewer than 64 bits.
    """

    element: str
    shape: tuple[str, ...]
    narrow: bool = False


@dataclass(frozen=True)
class Sink:
    """An array of which C takes each entry as it arises.

    Attributes
    ----------
    name : str
        Of the argument.
    take : str
        C text of what is done with an entry, {0} {1} its indices, {2} its value.
    shape : tuple of str
        C text of the lengths.
    """

    name: str
    take: str
    shape: tuple[str, str]


@dataclass
class Loops:
    """A translated function.

    Attributes
    ----------
    text : str
        Its definition.
    calls : list of callable
        Python functions that it calls.
    scratch : dict of str
        Lengths, in Python, of the static arrays that it needs; those of other arrays stand as ``array.shape[k]``.
    """

    text: str
    calls: list[Tagged]
    scratch: dict[str, str] = field(default_factory=dict)


class _Open(ast.stmt):
    """Where a sink's entry begins."""


class _Close(ast.stmt):
    """Where it is complete; indices : names of its loops."""

    def __init__(self, indices: Sequence[str]) -> None:
        super().__init__()
        self.indices = tuple(indices)


class _Lengths(ast.NodeTransformer):
    """Puts lengths of arrays in place of the names that are such lengths."""

    def __init__(self, lengths: Mapping[str, ast.expr]) -> None:
        self.lengths = lengths

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is a length."""
        return self.lengths.get(node.id, node)


class LoopTranslator(Translator):
    """One function over arrays on its way to C.

    Parameters
    ----------
    function : callable
        Tagged.
    head : str
        Its C declaration.
    arrays : mapping of CArray, optional
        By argument.
    given : mapping, optional
        Numbers by argument, C text or integers.
    tuples : mapping, optional
        Arguments that are tuples of arrays.
    sink : Sink, optional
        Array of which C takes each entry as it arises.
    """

    def __init__(
        self,
        function: Tagged,
        head: str,
        *,
        arrays: Mapping[str, CArray] | None = None,
        given: Mapping[str, str | int] | None = None,
        tuples: Mapping[str, Sequence[CArray]] | None = None,
        sink: Sink | None = None,
    ) -> None:
        super().__init__(function, c_name(function))
        self.c_head, self.arrays, self.tuples, self.sink = head, dict(arrays or {}), dict(tuples or {}), sink
        self.scratch: dict[str, str] = {}
        for name, value in (given or {}).items():
            self.variables[name] = literal(value) if isinstance(value, int) else Expression(value)
        if sink is not None:
            self.arrays[sink.name] = CArray(f"{sink.name}_entry", sink.shape)
        self.lengths = self._lengths()

    def translated(self) -> Loops:
        """Translate the function; InputError for what is outside the subset."""
        body = self.body()
        if self.sink is not None:
            self._place_sink(body, self.sink.name)
        for name in sorted(nested_names(body) & self.read - set(self.arguments)):
            self.variables[name] = self.declare(name, safe(name), literal(0))
        self.block(body)
        text = "\n".join([f"{self.c_head} {{", *self.lines, "}\n"])
        return Loops(text, list(self.calls), self.scratch)

    def _lengths(self) -> dict[str, ast.expr]:
        """Find names that are the length of an array throughout: assigned once, from its shape."""
        found: dict[str, ast.expr] = {}
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Attribute) and value.attr == "shape":
                for k, part in enumerate(target.elts):
                    found[ast.unparse(part)] = ast.Subscript(value, ast.Constant(k), ast.Load())
            elif isinstance(target, ast.Name) and self._axis(value) is not None:
                found[target.id] = value
        stored = Counter(n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        return {name: length for name, length in found.items() if stored[name] == 1 and self._axis(length) is not None}

    def _axis(self, node: ast.expr) -> str | None:
        """Return the C text of ``array.shape[k]``, None for another expression."""
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            array = self.arrays.get(ast.unparse(node.value.value))
            axis = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if array is not None and isinstance(axis, int) and 0 <= axis < len(array.shape):
                return array.shape[axis]
        return None

    # --- the sink

    def _place_sink(self, body: list[ast.stmt], name: str) -> None:
        """Mark, in the tree, the one inner loop that writes the array."""
        writers = [
            (outer, inner) for outer in loops_among(body) for inner in loops_among(outer.body) if writes(inner, name)
        ]
        if len(writers) != 1:
            self.refuse(self.tree, name, "written in one loop over its two indices")
        outer, inner = writers[0]
        indices = [ast.unparse(outer.target), ast.unparse(inner.target)]
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Subscript)
                and ast.unparse(node.value) == name
                and (
                    isinstance(node.ctx, ast.Load)
                    or ast.unparse(node.slice).strip("()") != ", ".join(indices)
                    or all(node is not written for written in ast.walk(inner))
                )
            ):
                self.refuse(node, ast.unparse(node), f"{name}[{', '.join(indices)}] is only written, in one loop")
        self._check_loops(body, outer, inner, name)
        inner.body = [_Open(), *inner.body, _Close(indices)]

    def _check_loops(self, body: list[ast.stmt], outer: ast.For, inner: ast.For, name: str) -> None:
        """Refuse loops that do not come to every entry of a sink: C would hand on fewer than Python leaves at 0."""
        assert self.sink is not None
        indices = f"{ast.unparse(outer.target)}, {ast.unparse(inner.target)}"
        for loop, around in ((outer, body), (inner, outer.body)):
            if loop not in around:
                rule = f"the loop over all of {name}[{indices}] is under no if; ask inside of it, {name} is 0 already"
                self.refuse(loop, f"for {ast.unparse(loop.target)} under if", rule)
        for k, loop in enumerate((outer, inner)):
            length = stop_of(loop.iter)
            length = self.lengths.get(ast.unparse(length), length) if length is not None else None
            if length is None or self._axis(length) != self.sink.shape[k]:
                rule = (
                    f"range({name}.shape[{k}]), all of {name}; leave entries out by an if inside, {name} is 0 already"
                )
                self.refuse(loop, ast.unparse(loop.iter), rule)
            for statement in loop.body:
                if ast.unparse(loop.target) in stored_names(statement):
                    self.refuse(statement, ast.unparse(loop.target), f"an index of {name} is only set by its loop")

    def do__Open(self, node: _Open) -> None:
        """Declare the variable of a sink's entry."""
        assert self.sink is not None
        self.put(f"int64_t {self.sink.name}_entry = 0;")

    def do__Close(self, node: _Close) -> None:
        """Hand the entry on."""
        assert self.sink is not None
        indices = [safe(name) for name in node.indices]
        self.put(self.sink.take.format(*indices, f"{self.sink.name}_entry"))

    # --- statements

    def do_Return(self, node: ast.Return) -> None:
        """Return a number."""
        if node.value is None:
            self.refuse(node, "return", "a number at the end, or nothing")
        self.put(f"return {self.number(node.value).text};")

    def do_Assign(self, node: ast.Assign) -> None:
        """Assign to an entry of an array, name arrays and static memory, or assign as a plain function does."""
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Subscript):
            self.put(f"{self._entry(target)} = {self.number(value).text};")
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Name) and value.id in self.tuples:
            if len(target.elts) != len(self.tuples[value.id]):
                self.refuse(node, ast.unparse(node), f"{len(self.tuples[value.id])} names, one for each array")
            for part, array in zip(target.elts, self.tuples[value.id], strict=True):
                self._name_array(node, ast.unparse(part), array)
        elif isinstance(target, ast.Name) and ast.unparse(value).startswith("np.zeros("):
            self._zeros(target.id, value)
        elif isinstance(target, ast.Name) and (entry := self._array_of(value)) is not None:
            self._name_array(node, target.id, entry)
        else:
            super().do_Assign(node)

    def _name_array(self, node: ast.stmt | ast.expr, name: str, array: CArray) -> None:
        """Let a name mean an array, which C decides once for the whole function."""
        if self.arrays.setdefault(name, array) != array:
            self.refuse(node, name, "a name means one array throughout")

    def _array_of(self, node: ast.expr) -> CArray | None:
        """Return the array that an entry of a tuple of arrays is, None for another expression."""
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in self.tuples:
            index = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if not isinstance(index, int) or not 0 <= index < len(self.tuples[node.value.id]):
                self.refuse(node, ast.unparse(node), "a constant index of the tuple")
            return self.tuples[node.value.id][index]
        return None

    def _zeros(self, name: str, call: ast.expr) -> None:
        assert isinstance(call, ast.Call)
        if len(call.args) != 2 or ast.unparse(call.args[1]) != "np.int64" or isinstance(call.args[0], ast.Tuple):
            self.refuse(call, ast.unparse(call), "np.zeros(length, np.int64)")
        length, known = self.number(call.args[0]).text, _Lengths(self.lengths).visit(deepcopy(call.args[0]))
        self._name_array(call, name, CArray(f"hn_scratch_{name}[{{0}}]", (length,)))
        self.scratch[name] = ast.unparse(known)
        counter = self.fresh()
        self.put(f"for (int64_t {counter} = 0; {counter} < {length}; {counter}++) {{")
        self.put(f"    hn_scratch_{name}[{counter}] = 0;")
        self.put("}")

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        """Translate `a[i] += b` as `a[i] = a[i] + b`."""
        if not isinstance(node.target, ast.Subscript):
            super().do_AugAssign(node)
            return
        left = ast.copy_location(ast.Subscript(node.target.value, node.target.slice, ast.Load()), node)
        total = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
        self.put(f"{self._entry(node.target)} = {self.number(total).text};")

    # --- expressions

    def _entry(self, node: ast.Subscript) -> str:
        """Write an entry of an array."""
        name = ast.unparse(node.value)
        if name not in self.arrays:
            self.refuse(node, ast.unparse(node), "an array among the arguments")
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        wanted = sum(f"{{{k}}}" in self.arrays[name].element for k in range(2))
        if wanted and len(indices) != wanted:
            self.refuse(node, ast.unparse(node), "1 index" if wanted == 1 else "2 indices")
        return self.arrays[name].element.format(*(self.number(i).at(SUM + 1) for i in indices))

    def of_Subscript(self, node: ast.Subscript) -> Any:
        """Read an entry of an array, widened to 64 bits, or a length of its shape."""
        if isinstance(node.value, ast.Attribute) and isinstance(node.slice, ast.Constant):
            axis = self._axis(node)
            return Expression(axis, UNARY) if axis else self.refuse(node, ast.unparse(node), "a length of an array")
        if isinstance(node.value, ast.Name) and node.value.id in self.arrays:
            cast = "(int64_t)" if self.arrays[node.value.id].narrow else ""
            return Expression(cast + self._entry(node), UNARY, settled=False)
        return super().of_Subscript(node)

    def of_Attribute(self, node: ast.Attribute) -> tuple[Expression, ...]:
        """Read the shape of an array."""
        name = ast.unparse(node.value)
        if node.attr != "shape" or name not in self.arrays:
            self.refuse(node, ast.unparse(node), "the shape of an array")
        return tuple(Expression(text, UNARY) for text in self.arrays[name].shape)

    def of_Call(self, node: ast.Call) -> Any:
        """Translate a call; functions of the simulator are called by their C names."""
        if ast.unparse(node.func) == "np.int64" and len(node.args) == 1:
            return self.number(node.args[0])
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = self.function.__globals__.get(name)
        if inspect.isfunction(function) and _of_simulator(function):
            self.calls[function] = None
            arguments = ", ".join(self.number(a).text for a in node.args)
            return Expression(f"{c_name(function)}({arguments})", settled=False)
        return super().of_Call(node)


def helpers(functions: Sequence[Tagged], defined: Sequence[Tagged]) -> str:
    """Translate what these functions call, each once, callees first; `defined` stands elsewhere already."""
    texts: dict[Tagged, str] = {}
    rules: list[Tagged] = []

    def add(function: Tagged) -> None:
        if not _of_simulator(function):
            rules.append(function)
        elif function not in texts:
            arguments = ", ".join(f"int64_t {safe(name)}" for name in inspect.signature(function).parameters)
            loops = LoopTranslator(function, f"static inline int64_t {c_name(function)}({arguments})").translated()
            for callee in loops.calls:
                add(callee)
            texts[function] = loops.text

    for function in functions:
        add(function)
    return "\n".join(text for text in (module(rules, defined), *texts.values()) if text)


@cache
def writes_all(function: Tagged, name: str) -> bool:
    """Tell whether a function surely writes an array of one index, one loop over all of it, before it reads from it.

    False also where that is only not plain to see: what C keeps from the call before must then be cleared.
    """
    arrays = {argument: CArray("", (f"length of {argument}",)) for argument in ("output", name)}
    translator = LoopTranslator(function, "", arrays=arrays)
    lengths = [f"{array}.shape[0]" for array in arrays]
    for statement in translator.body():
        if isinstance(statement, ast.For) and (stop := stop_of(statement.iter)) is not None:
            stop = translator.lengths.get(ast.unparse(stop), stop)
            if ast.unparse(stop) in lengths and writes_each(statement, name):
                return True
        if touches(statement, name):
            return False
    return False


def _of_simulator(function: Tagged) -> bool:
    return function.__module__.startswith("hypr_neuro.sim.")
