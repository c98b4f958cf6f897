"""The edge: every file that is refused, in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from space import Arch, InputError, Space
from space.reading import MAX_BYTES, load_yaml, presets

SPACES = sorted(
    [
        "digits",
        *(
            f"{name}_{size}"
            for name in ("conv2former", "convnext", "convnext_or_modulation", "roadmap")
            for size in (32, 64, 224)
        ),
    ]
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "must be valid YAML, got key a stands twice in line 2; mend the file"),
        (b"a: {b: 1, b: 1}\n", "must be valid YAML, got key b stands twice in line 1; mend the file"),
        (b"a: &x [1]\nb: *x\n", "must be valid YAML, got aliases (*name) are not used here in line 2; mend the file"),
        (b"a: 1\nb: [1\n", "must be valid YAML, got expected ',' or ']', but got '<stream end>' in line 3; mend the file"),
        (b"[1]: 2\n", "must be valid YAML, got key [1] is not a plain word in line 1; mend the file"),
        (b"a: 2025-13-01\n", "must be valid YAML, got month must be in 1..12; mend the file"),
        (b"a: !!int x\n", "must be valid YAML, got invalid literal for int() with base 10: 'x'; mend the file"),
        (b"a: !!map [1]\n", "must be valid YAML, got expected a mapping node, but found sequence in line 1; mend the file"),
        (b"a: !!python/name:os.system x\n", "must be valid YAML, got could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/name:os.system' in line 1; mend the file"),
        (b"a: b\xff\n", "must be UTF-8 text, got byte 0xff; save it as UTF-8"),
        ("a: grün\n".encode("latin-1"), "must be UTF-8 text, got byte 0xfc; save it as UTF-8"),
        (b"- 1\n- 2\n", "must be a YAML mapping, got list; write `key: value` lines"),
        (b"just text\n", "must be a YAML mapping, got str; write `key: value` lines"),
        (b"", "must be a YAML mapping, got NoneType; write `key: value` lines"),
        (b"[" * 5000, "must be flat YAML, got endless nesting; mend the file"),
        (b"#" * (MAX_BYTES + 1), f"must be under {MAX_BYTES} bytes, got {MAX_BYTES + 1}; is it the right file?"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        load_yaml(path)
    assert str(refusal.value) == f"{path} {message}"


def test_control_characters_and_endless_numbers_are_one_line_errors(tmp_path: Path) -> None:
    for content, part in ((b"a: \x01", "unacceptable character #x0001"), (b"a: " + b"9" * 5000, "4300 digits")):
        (tmp_path / "x.yaml").write_bytes(content)
        with pytest.raises(InputError, match=part) as refusal:
            load_yaml(tmp_path / "x.yaml")
        assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as refusal:
            load_yaml(path)
        assert str(refusal.value) == f"{path} must be readable, got {reason}; check the path"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", "space must be a YAML file or a preset, got digit; did you mean digits?"),
        ("qqq", f"space must be a YAML file or a preset, got qqq; use one of {', '.join(SPACES)}"),
        ("no.yaml", "space must be an existing YAML file, got no.yaml; check the path"),
        ("no/such", "space must be an existing YAML file, got no/such; check the path"),
        ("", "space must be an existing YAML file, got ; check the path"),
        ("a" * 300, f"space must be a YAML file or a preset, got {'a' * 300}; use one of {', '.join(SPACES)}"),
    ],
)
def test_a_source_that_does_not_exist(source: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Space.load(source)
    assert str(refusal.value) == message


def test_a_misspelt_network() -> None:
    with pytest.raises(InputError) as refusal:
        Arch.load("convnext_tinny")
    expected = "network must be a YAML file or a preset, got convnext_tinny; did you mean convnext_tiny?"
    assert str(refusal.value) == expected


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("stages:\n  - {depth: 1, width: 8, kernel: 4}\n")
    with pytest.raises(InputError) as refusal:
        Arch.load(path)
    expected = f"{path}: stages[0].kernel must be odd and from 3 to 31, got 4; use e.g. 5"
    assert str(refusal.value) == expected


def test_presets_are_listed() -> None:
    assert presets("spaces") == SPACES
    walks = [f"roadmap_{size}_{step:02d}" for size in "bt" for step in range(17)]
    convnexts = [
        f"convnext_{size}" for size in ("base", "iso_base", "iso_large", "iso_small", "large", "small", "tiny")
    ]
    second = [f"convnextv2_{s}" for s in ("atto", "base", "femto", "huge", "large", "nano", "pico", "tiny")]
    others = ["conv2former_b", "conv2former_l", "conv2former_n", "conv2former_s", "conv2former_t", "resnet50"]
    others += ["convnext_32", "resnet_32"]
    assert presets("networks") == sorted([*walks, *convnexts, "convnext_xlarge", *second, *others])
