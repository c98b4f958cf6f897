"""A network as one file of plain PyTorch, written out of the source that this project itself runs.

Blocks become classes: their layers from `Block.layers`, over the same names of channels, their formula from the source
of `Block.forward`, with options put in and absent layers taken out. All other classes are copied as they stand.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import keyword
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any

from space import modules
from space.arch import Arch, Task
from space.blocks import Block
from space.layers import Act, Conv, Layer, Layers, Linear, MaxPool, Norm, Pool, Response, Scale, resolve
from space.network import Network, _initialise
from space.parts import find_part
from space.reading import InputError

PLAIN = {"DepthwiseConv2d": "Conv2d"}  # the same numbers without the compiled gradient
WIDTH = 110  # columns that written lines keep within where they can


class Unwritable(InputError):
    """A part whose source cannot stand alone."""


def network_source(arch: Arch, task: Task) -> str:
    """Classes and functions, `Network` last; `Network()` has the state dict of `space.network.Network(arch, task)` and
    gives the same logits. Needs torch alone. Raises Unwritable for a part of another package that cannot be copied."""
    writer = _Writer()
    body = _network(arch, task, writer)
    blocks = "\n\n\n".join(writer.blocks.values())
    known = vars(modules)
    needed = _Needed()
    for name in _names(ast.parse(f"{blocks}\n{body}")):
        found = known.get(name, writer.names.get(name))
        if found is not None:
            needed.add(name, found)
    return (
        "\n\n\n".join(
            [needed.imports(writer.blocks.values()), NAMED, *needed.sources.values(), *writer.blocks.values(), body]
        )
        + "\n"
    )


NAMED = '''def named(**layers: nn.Module) -> nn.Sequential:
    """Layers one after another, under their names."""
    return nn.Sequential(OrderedDict(layers))'''


class _Writer:
    """The block classes written so far, and what the expressions of norms and activations name."""

    def __init__(self) -> None:
        self.blocks: dict[str, str] = {}  # class name: source
        self.bodies: dict[tuple[str, str], str] = {}  # (class name without its number, body): class name
        self.names: dict[str, Any] = {}

    def block(self, block: Block, width: int, inputs: int, stride: int, project: bool) -> str:
        """`ConvNeXtBlock(24, 72, 24, kernel=7, drop_path=`, where the class is written if there is none like it."""
        layers = block.layers(stride, project)
        others = _other(block).layers(stride, project)
        lines = ["super().__init__()"]
        lines += [
            f"self.{name} = {self.layer(layer, others[name])}" for name, layer in layers.items() if layer is not None
        ]
        lines.append("self.drop_path = DropPath(drop_path)")
        used = set(_names(ast.parse("\n".join(lines))))
        numbers = {_symbol(name): number for name, number in block.channels(width, inputs).items()}
        numbers["kernel"] = getattr(block, "kernel", 0)
        given = {name: number for name, number in numbers.items() if name in used}
        arguments = ", ".join([*(f"{name}: int" for name in given), "drop_path: float = 0.0"])
        header = f"def __init__(self, {arguments}) -> None:"
        self.names |= vars(sys.modules[type(block).__module__])
        methods = _methods(block, {name for name, layer in layers.items() if layer is None})
        body = "\n\n".join([header + "\n" + textwrap.indent("\n".join(lines), "    "), *methods])
        kind = type(block).__name__ + ("TransitionBlock" if project else "Block")
        if (kind, body) not in self.bodies:
            number = sum(other == kind for other, _ in self.bodies) + 1
            name = kind if number == 1 else f"{kind}{number}"
            self.bodies[kind, body] = name
            text = textwrap.indent(f'"""{_about(type(block))}"""\n\n{body}', "    ")
            self.blocks[name] = f"class {name}(nn.Module):\n{text}"
        words = [f"kernel={number}" if name == "kernel" else str(number) for name, number in given.items()]
        return f"{self.bodies[kind, body]}({', '.join([*words, 'drop_path='])}"

    def layer(self, layer: Layer | Layers | None, other: Layer | Layers | None = None) -> str:
        """The expression that builds a layer over names of channels, or numbers. `other`: what it is in a block with
        another kernel; where they differ it is written for any."""
        match layer:
            case dict():
                return self.path(layer, other if isinstance(other, dict) else layer)
            case Conv():
                return _conv(layer, isinstance(other, Conv) and other.kernel != layer.kernel)
            case Linear(inputs, outputs, bias):
                return f"nn.Linear({_symbol(inputs)}, {_symbol(outputs)}{'' if bias else ', bias=False'})"
            case Norm(kind, width, _):
                return self.part("norm", kind, width)
            case Act(kind):
                return self.part("act", kind)
            case Scale(width, init):
                return f"LayerScale({_symbol(width)}, {init!r})"
            case Response(width):
                return f"GlobalResponseNorm({_symbol(width)})"
            case MaxPool(kernel, stride, padding):
                return f"MaxPool2d({kernel}, {stride}, {padding})"
            case Pool():
                return "GlobalPool()"
            case None:
                return "nn.Identity()"

    def path(self, layers: Layers, others: Layers | None = None) -> str:
        """The same for layers one after another."""
        made = {
            name: self.layer(layer, (others or {}).get(name)) for name, layer in layers.items() if layer is not None
        }
        return _call("named", [f"{name}={text}" for name, text in made.items()])

    def part(self, kind: Any, name: str, *arguments: Any) -> str:
        """The expression that the part's `module` returns, with `arguments` put in."""
        function = find_part(kind, name).module
        tree = _tree(function)
        returns = [node for node in tree.body if isinstance(node, ast.Return)]
        rest = [node for node in tree.body if not isinstance(node, (ast.Return, ast.Import, ast.ImportFrom, ast.Expr))]
        if len(returns) != 1 or rest or returns[0].value is None:
            raise Unwritable(
                f"{kind} {name} must return its module in one expression to be written as plain PyTorch, got more; "
                "leave modeling.py out or shorten `module`"
            )
        self.names |= function.__globals__ | _imported(tree)
        known = {a.arg: _symbol(value) for a, value in zip(tree.args.args, arguments, strict=True)}
        return ast.unparse(_Put(known).visit(returns[0].value))


def _network(arch: Arch, task: Task, writer: _Writer) -> str:
    """The class Network: numbers in its constructor, the project's own forward."""
    layers = arch.layers(task)
    lines = [f"self.stem = {writer.path(layers['stem'])}", "stages = ["]
    inputs, start = arch.stages[0].width, 0
    for i, stage in enumerate(arch.stages):
        rows, stride = [], 1
        if between := layers.get(f"stages.{i}.downsample"):
            rows.append(f"downsample={writer.path(between)},")
            inputs = stage.out
        elif i > 0:
            stride = 2
        rows.append(f"blocks={_blocks(stage, inputs, stride, start, writer)},")
        lines += ["    named(", *(textwrap.indent(row, " " * 8) for row in rows), "    ),"]
        inputs, start = stage.out, start + stage.depth
    numbers = arch.head.channels(arch.stages[-1].out, -1)
    head: Any = {name: "classes" if value == -1 else value for name, value in numbers.items()}
    lines += ["]", "self.stages = nn.ModuleList(stages)"]
    lines.append(f"self.head = {writer.path(resolve(arch.head.layers(), head))}")
    lines.append("self.apply(_initialise)")
    writer.names["_initialise"] = _initialise
    rates = f'rates = torch.linspace(0, drop_path, {arch.depth}, device="cpu").tolist()  # one a block'
    body = textwrap.indent("\n".join(["super().__init__()", rates, *lines]), "        ")
    size, channels = task.image_size, task.channels
    return (
        f'class Network(nn.Module):\n    """Normalised images (N, {channels}, H, W), here {size} x {size} -> logits '
        f'(N, {task.classes}). `drop_path`: the rate of the last block in training."""\n\n'
        f"    def __init__(self, classes: int = {task.classes}, drop_path: float = {arch.drop_path!r}) -> None:\n"
        f"{body}\n\n{textwrap.indent(_text(Network.forward), '    ')}"
    )


def _blocks(stage: Any, inputs: int, stride: int, start: int, writer: _Writer) -> str:
    """`nn.Sequential` of a stage's blocks, `start` blocks before it."""
    block, rows, end = stage.block, [], start + stage.depth
    if stride != 1 or inputs != stage.out:
        rows.append(f"{writer.block(block, stage.width, inputs, stride, True)}rates[{start}])")
        start += 1
    if start < end:
        rows.append(f"*({writer.block(block, stage.width, stage.out, 1, False)}rate) for rate in rates[{start}:{end}])")
    return _call("nn.Sequential", rows)


def _call(name: str, arguments: list[str]) -> str:
    """Each argument in a line of its own where there are several."""
    rows = "".join(f"    {argument},\n" for argument in arguments)
    return f"{name}(\n{rows})" if len(arguments) > 1 else f"{name}({''.join(arguments)})"


def _symbol(channels: Any) -> str:
    """A name of channels as Python spells it."""
    text = str(channels)
    return "inputs" if text == "in" else f"{text}_" if keyword.iskeyword(text) else text


def _other(block: Block) -> Block:
    """The same block with another kernel, where it has that option."""
    kernel = getattr(block, "kernel", None)
    return replace(block, kernel=29 if kernel != 29 else 31) if isinstance(kernel, int) else block  # type: ignore[call-arg]


def _conv(conv: Conv, follows: bool) -> str:
    inputs, outputs = _symbol(conv.inputs), _symbol(conv.outputs)
    words = [inputs, outputs, "kernel" if follows else str(conv.kernel)]
    if conv.stride != 1:
        words.append(f"stride={conv.stride}")
    if conv.padding:
        words.append(f"padding={'kernel // 2' if follows else conv.padding}")
    if conv.groups != 1:
        words.append(f"groups={inputs if conv.groups == 'depthwise' else conv.groups}")
    if not conv.bias:
        words.append("bias=False")
    return f"Conv2d({', '.join(words)})"


def _methods(block: Block, absent: set[str]) -> list[str]:
    """`forward`, and the methods of the block that it calls, with options and absent layers worked in."""
    found: dict[str, str] = {}
    queue = ["forward"]
    while queue:
        name = queue.pop(0)
        if name in found:
            continue
        tree = _Work(block, absent).visit(copy.deepcopy(_tree(getattr(type(block), name))))
        tree.args.args = [a for a in tree.args.args if a.arg != "net"]
        tree.decorator_list = []
        if name == "forward":
            documented = ast.get_docstring(tree) is not None
            tree.body[:documented] = [ast.Expr(ast.Constant("(N, H, W, C) -> (N, H', W', C')."))]
        ast.fix_missing_locations(tree)
        found[name] = ast.unparse(tree)
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        mine = [f.attr for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)]
        queue += [called for called in mine if callable(getattr(type(block), called, None)) and called != "drop_path"]
    return list(found.values())


class _Put(ast.NodeTransformer):
    """Other names for names."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.parse(self.names[node.id], mode="eval").body if node.id in self.names else node


class _Work(ast.NodeTransformer):
    """A block's method as one of the module that is built: `net` is `self`, options are values, absent layers and
    branches that are never taken are gone."""

    def __init__(self, block: Block, absent: set[str]) -> None:
        self.absent, self.options = absent, block.to_dict()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Attribute(ast.Name("net" | "self"), name), [argument]) if name in self.absent:
                return argument
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node:
            case ast.Attribute(ast.Name("self"), name) if name in self.options:
                return ast.Constant(self.options[name])
            case ast.Attribute(ast.Name("net"), name):
                return ast.Attribute(ast.Name("self", ast.Load()), name, node.ctx)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_Match(self, node: ast.Match) -> Any:
        self.generic_visit(node)
        subject = node.subject
        for case in node.cases if isinstance(subject, ast.Constant) else ():
            match case.pattern:
                case ast.MatchAs(None, None):
                    return case.body
                case ast.MatchValue(ast.Constant(value)) if value == subject.value:  # type: ignore[attr-defined]
                    return case.body
        return node


class _Needed:
    """Classes and functions to copy, with what they need themselves, and import lines."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.lines: dict[str, str] = {}  # name: import line
        self.seen: set[int] = set()

    def add(self, name: str, found: Any) -> None:
        """`found` is what `name` stands for."""
        if name in PLAIN:
            name, found = PLAIN[name], getattr(modules, PLAIN[name])
        if name in ("torch", "Tensor", "nn", "F") or hasattr(builtins, name) or id(found) in self.seen:
            return
        self.seen.add(id(found))
        origin = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None)
        if origin is None:
            self.sources[name] = f"{name} = {found!r}"
        elif origin.partition(".")[0] in ("torch", "typing", "collections", "math"):
            self.lines[name] = _import(name, found)
        elif isinstance(found, ModuleType) or origin.partition(".")[0] in sys.stdlib_module_names:
            raise Unwritable(
                f"modeling.py must need torch alone, got {name} of {origin}; leave it out or write that part without it"
            )
        else:
            text = _text(found)
            around = vars(sys.modules[origin])
            for other in _names(ast.parse(text)):
                if other != name and other in around:
                    self.add(other, around[other])
            self.sources[name] = text

    def imports(self, used: Iterable[str]) -> str:
        """The import lines of what was added and of the sources `used`."""
        lines = ["from collections import OrderedDict", "", "import torch"]
        if any("F." in text for text in (*self.sources.values(), *used)):
            lines.append("import torch.nn.functional as F")
        return "\n".join([*lines, *self.lines.values(), "from torch import Tensor, nn"])


def _import(name: str, found: Any) -> str:
    if isinstance(found, ModuleType):
        return f"import {found.__name__} as {name}"
    return f"from {found.__module__} import {found.__name__}" + (f" as {name}" if name != found.__name__ else "")


def _text(found: Any) -> str:
    """Source as it stands, without remarks for checkers."""
    try:
        lines = textwrap.dedent(inspect.getsource(found)).splitlines()
    except (OSError, TypeError) as error:
        raise Unwritable(f"{found} must have source to be written as plain PyTorch, got none ({error})") from error
    return "\n".join(line.partition("  # type:")[0].rstrip() for line in lines)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef:
    tree = ast.parse(_text(function)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


def _imported(tree: ast.FunctionDef) -> dict[str, Any]:
    """What a function imports itself."""
    imports: list[ast.stmt] = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    found: dict[str, Any] = {}
    exec(compile(ast.Module(imports, []), tree.name, "exec"), found)
    return found


def _names(tree: ast.AST) -> Iterable[str]:
    """Names that are read and not given a value in the same text, in order, each once."""
    nodes = list(ast.walk(tree))
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and node.id not in own)


def _about(cls: type[Any]) -> str:
    """The first sentence of a docstring, in one paragraph."""
    first = (inspect.getdoc(cls) or cls.__name__).split("\n\n")[0]
    return "\n".join(textwrap.wrap(" ".join(first.split()), WIDTH, break_long_words=False, break_on_hyphens=False))
