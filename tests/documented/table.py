"""Which printed commands are run, how, and what stands for those that are not. A command in no row fails the tests.

A row is run as printed, or as `run` says. What may differ from the print is checked in `test_table.py`: names of things
of one's own (STUDY, path/to/images), numbers, and options that only make a run shorter. Never another sampler, stopping
rule or number of workers. `...` is whatever the page leaves out; what stands in brackets may be left out.
The rows of a chain are run in their order, in one folder, as a person would; each finds what those before it left.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORTER = {"--trials", "--images", "--epochs", "--networks", "--repeats", "--seeds"}
SMALLER = {"convnext_tiny": "convnextv2_atto"}


@dataclass(frozen=True)
class Row:
    """`printed`: forms that come to the same, of which the first is typed, or `run`. `shows`: a pattern in what it
    writes. `cold`: by a shell, as a person does; else in a process that has imported everything, which saves the seconds
    that python and torch take to start; what it starts itself is forked there too. `before`: commands that make what the page takes for given.
    """

    printed: tuple[str, ...]
    shows: str = ""
    run: str = ""
    cold: bool = False
    before: tuple[str, ...] = ()

    @property
    def typed(self) -> str:
        return self.run or self.printed[0]


@dataclass(frozen=True)
class Left:
    """Not run here, but by a script or a test, or by hand, and then its results are kept in benchmarks/RESULTS.md."""

    printed: tuple[str, ...]
    why: str
    by: str


DEMO = (
    Row(("nas data digits",), r"train 1,079 \(scikit-learn\), validation 359 "),
    Row(("nas space digits --flops 200K..4M",), r"in 200K\.\.4M FLOPs: 44\.0% of 2,000 random networks"),
    Row(
        ("nas search digits --data digits --flops 200K..4M --trials 30 --epochs 6",),
        r"front of \d+ trials in 200K\.\.4M FLOPs",
        "nas search digits --data digits --flops 200K..4M --trials 3 --epochs 1",
        cold=True,
    ),
    Row(
        ("nas search digits --data digits --flops 200K..4M --trials 60 --epochs 6",),
        r"front of \d+ trials in 200K\.\.4M FLOPs",
        "nas search digits --data digits --flops 200K..4M --trials 4 --epochs 1",
    ),
    Row(("nas show digits-200K-4M --trial 0",), r"stage 1 +\d+ x "),
    Row(
        ("nas export digits-200K-4M --out exports/digits", "nas export STUDY --out DIR"),
        r"to exports/digits, reloaded and verified\n",
    ),
    Row(("python examples/predict.py exports/digits",), r"read \d( \d){9} from pictures of 0 1 2 3 4 5 6 7 8 9"),
    Row(
        (
            "nas train exports/digits/arch.yaml --data digits --epochs 60 --out exports/digits-long",
            "nas train ARCH --data DATA --out DIR",
        ),
        r"exports/digits-long[\s\S]*test accuracy",
        "nas train exports/digits/arch.yaml --data digits --epochs 1 --out exports/digits-long",
    ),
    Row(
        (
            "nas train ARCH|EXPORT --data DATA --out DIR [--recipe muon|convnext|finetune|brief|FILE.yaml] [--epochs N] "
            "[--batch-size N]",
            "nas train exports/digits --data digits --out exports/tuned --recipe finetune --epochs 30 --batch-size 64",
        ),
        "exports/tuned[\\s\\S]*test accuracy",
        "nas train exports/digits --data digits --out exports/tuned --recipe finetune --epochs 1 --batch-size 64",
    ),
    Row(  # a process for each GPU of the machine; here two, on its CPU
        ("torchrun --nproc-per-node 4 -m nas train ...",),
        "exports/shared[\\s\\S]*test accuracy",
        "torchrun --nproc-per-node 2 -m nas train exports/digits/arch.yaml --data digits --epochs 1 --batch-size 64 "
        "--out exports/shared",
    ),
    Row(("nas studies",), "idle"),
    Row(("nas doctor",), r"ok +torch"),
    Row(("nas presets",), r"convnext_32 +ConvNeXt"),
    Row(("nas presets networks",), r"resnet50 +ResNet"),
    Row(("nas init FOLDER",), r"next: nas space mine/space\.yaml", "nas init mine"),
    Row(("nas init",), r"next: nas space space\.yaml"),
    Row(("nas init flowers --preset convnext_or_modulation_64",), r"next: nas space flowers/space\.yaml"),
    Row(("make help",), "demo +search the digits data", cold=True),
    Row(("source .venv/bin/activate",), cold=True),
    Row(("nas dashboard",), r"Dashboard: http://127\.0\.0\.1:8501 ", cold=True),
    Row(
        ("nas dashboard STUDY", "nas dashboard [STUDY]"),
        r"Dashboard: http://127\.0\.0\.1:8501/\?study=digits-200K-4M ",
        "nas dashboard digits-200K-4M",
        cold=True,
    ),
)

STUDY = (
    Row(
        ("... --time 2h --dry-run",),
        r"time: 2h for \d+ trials in all[\s\S]*nothing is trained",
        "nas search digits --data digits --flops 50K..200K --time 2h --images 3K --study timed --dry-run",
    ),
    Row(
        (
            "nas search digits --data digits --flops 1M..4M --trials 30",
            "nas search SPACE --data DATA --flops 1M..4M --trials 30",
        ),
        r"front of 4 trials in 1M\.\.4M FLOPs",
        "nas search digits --data digits --flops 1M..4M --trials 4 --epochs 1",
    ),
    Row(("nas worker digits-1M-4M", "nas worker STUDY")),
    Row(("nas trials digits-1M-4M", "nas trials STUDY"), "complete"),
    Row(("nas show digits-1M-4M --trial 0", "nas show STUDY --trial N"), r"stage 1 +\d+ x "),
    Row(("nas front digits-1M-4M", "nas front STUDY"), r"front of 4 trials in 1M\.\.4M FLOPs"),
    Row(("nas front digits-1M-4M --columns trial,accuracy,flops,key",), r"trial +accuracy +FLOPs +key"),
    Row(("nas trials digits-1M-4M --columns trial,state,seed,images,network",), r"trial +state +seed +images +network"),
    Row(("nas front STUDY --by params",), r"over parameters\s+trial", "nas front digits-1M-4M --by params"),
    Row(("nas front STUDY --wide",), r"norm,\s+act,\s+expansion", "nas front digits-1M-4M --wide"),
    Row(
        (
            "nas measure digits-1M-4M --batch 1,64",
            "nas measure STUDY [--device cuda] [--batch 1,64] [--threads 1] [--runtime onnxruntime]",
        ),
        "accuracy against latency",
    ),
    Row(("nas measure STUDY",), "accuracy against latency", "nas measure digits-1M-4M"),
    Row(("nas front digits-1M-4M --by latency", "nas front STUDY --by latency"), "accuracy against latency"),
    Row(
        ("nas front STUDY --by latency@DEVICE [--batch 64]",),
        "accuracy against latency",
        "nas front digits-1M-4M --by latency@thread --batch 64",
    ),
    Row(
        ("nas export STUDY --out DIR --latency ..2.5ms [--by latency@DEVICE] [--batch 64]",),
        "to exports/quick, reloaded and verified",
        "nas export digits-1M-4M --out exports/quick --latency ..10s --by latency@thread --batch 64",
    ),
    Row(("nas measure ARCH",), r"batch 1: [\d.]+ ms", "nas measure convnextv2_atto"),
    Row(
        ("nas export digits-1M-4M --out exports/digits --format onnx,pt2",), "to exports/digits, reloaded and verified"
    ),
    Row(
        ("nas export STUDY --out DIR [--pick best|knee|cheapest] [--trial N] [--format onnx,pt2] [--timm] [--force]",),
        "to exports/digits, reloaded and verified",
        "nas export digits-1M-4M --out exports/digits --pick knee --force",
    ),
    Row(("nas audit digits-1M-4M --images 5x", "nas audit STUDY"), "tau", "nas audit digits-1M-4M --images 2x"),
    Row(
        ("nas reference digits-1M-4M timm:resnet18 timm:mobilenetv3_small_100 --scale",),
        r"references: trained by the study's recipe",
    ),
    Row(
        ("nas reference STUDY timm:resnet18 --scale",),
        r"references: trained by the study's recipe",
        "nas reference digits-1M-4M timm:resnet18 --scale",
    ),
    Row(
        ("nas reference STUDY examples/references.py:cifar_resnet --scale",),
        r"references:cifar_resnet",
        "nas reference digits-1M-4M examples/references.py:cifar_resnet --scale",
    ),
    Row(("nas rename digits-1M-4M mine",), r"its search goes on with: nas search digits .*--study mine"),
    Row(("nas rename mine digits-1M-4M",), "runs/mine is now runs/digits-1M-4M"),
    Row(("nas archive digits-1M-4M",), "back: nas archive digits-1M-4M --restore"),
    Row(("nas archive digits-1M-4M --restore",), "digits-1M-4M is back in runs"),
    Row(("nas report digits-1M-4M --out report.html",), r"report\.html: [\d,]+ bytes, open it in any"),
    Row(("nas report STUDY",), r"digits-1M-4M\.html: [\d,]+ bytes", "nas report digits-1M-4M"),
    Row(
        ("nas search digits --data digits --flops 1M..4M --trials 30 --track tensorboard",),
        r"front of 5 trials in 1M\.\.4M FLOPs",
        "nas search digits --data digits --flops 1M..4M --trials 5 --epochs 1 --track tensorboard",
    ),
    Row(
        ("nas search digits --data digits --flops 1M..4M --trials 30 --track mlflow",),
        r"front of 6 trials in 1M\.\.4M FLOPs",
        "nas search digits --data digits --flops 1M..4M --trials 6 --epochs 1 --track mlflow",
        before=("export MLFLOW_DISABLE_TELEMETRY=true",),
    ),
    Row(
        ("nas search digits --data digits --flops 1M..4M --trials 30 --track wandb",),
        r"front of 7 trials in 1M\.\.4M FLOPs",
        "nas search digits --data digits --flops 1M..4M --trials 7 --epochs 1 --track wandb",
        before=("export WANDB_MODE=offline",),
    ),
    Row(("nas delete digits-1M-4M --yes",), "runs/digits-1M-4M is deleted"),
)

# the place of CIFAR-10 is taken by a folder of class folders with a few made-up images
CIFAR = (
    Row(
        ("nas data path/to/cifar10", "nas data DATA", "nas data path/to/images"),
        r"data: images: train \d+ \(folders such as [\s\S]*validation \d+ \(held\s+out\s+of\s+train\)",
        "nas data images",
    ),
    Row(
        ("nas data path/to/images --sheet samples.png",),
        "samples.png: the first images of each class",
        "nas data images --sheet samples.png",
    ),
    Row(("export OMP_NUM_THREADS=1",)),
    Row(
        (
            "nas search convnext_or_modulation_32 --data ../shared/data/cifar10 --flops 500K..5M --recipe "
            "benchmarks/recorded.yaml --trials 60 --repeats 16 --baseline --study cifar10",
        ),
        "baseline, random search, cifar10-random:",
        "nas search convnext_or_modulation_32 --data images --flops 500K..5M --recipe "
        "benchmarks/recorded.yaml --trials 4 --repeats 1 --epochs 2 --baseline --study cifar10",
    ),
    Row(
        (
            "nas search convnext_or_modulation_32 --data ../shared/data/cifar10 --flops 1M..16M --images 90K --trials 40 "
            "--repeats 16 --baseline --study cifar10-16M",
        ),
        "cifar10-16M: front of 3 networks[\\s\\S]*baseline, random search, cifar10-16M-random:",
        "nas search convnext_or_modulation_32 --data images --flops 1M..16M --images 256 --trials 3 --repeats 1 "
        "--baseline --study cifar10-16M",
    ),
    Row(("nas front cifar10-16M",), "cifar10-16M: front of 3 networks"),
    Row(("python -m benchmarks.against_random cifar10 cifar10-random",), r"\| hypervolume over 500K\.\.5M "),
    Row(("python -m benchmarks.against_random cifar10-16M cifar10-16M-random",), r"\| hypervolume over 1M\.\.16M "),
    Row(("nas front cifar10",), "baseline, random search, cifar10-random:"),
    Row(
        (
            "nas export cifar10-16M --pick knee --data ../shared/data/cifar10 --out exports/knee",
            "nas export cifar10-16M --pick knee --data path/to/cifar10 --out DIR",
        ),
        "to exports/knee, reloaded and verified",
        "nas export cifar10-16M --pick knee --data images --out exports/knee",
    ),
    Row(
        (
            "nas predict exports/knee path/to/images --csv predictions.csv --html confusion.html",
            "nas predict EXPORT PATH...",
        ),
        r"accuracy \d+\.\d\d% \(top-1, n = 200\), balanced accuracy",
        "nas predict exports/knee images --csv predictions.csv --html confusion.html",
    ),
    Row(
        (
            "nas train exports/knee/arch.yaml --data ../shared/data/cifar10 --recipe muon --epochs 60 "
            "--out exports/knee-long",
        ),
        "exports/knee-long[\\s\\S]*test accuracy",
        "nas train exports/knee/arch.yaml --data images --recipe muon --epochs 1 --out exports/knee-long",
    ),
    Row(
        ("nas search convnext_or_modulation_32 --data path/to/images --flops 5M..40M --trials 30",),
        "front of 1 trial",
        "nas search convnext_or_modulation_32 --data images --flops 5M..40M --trials 1 --epochs 1",
    ),
)

# the three ways in of README, each from its beginning
PATHS = (
    Row(
        (
            "nas search convnext_or_modulation_64 --data path/to/images --flops 5M..40M --time 1h --workers 2 --study mine",
        ),
        r"mine: front of \d+ trial",
        "nas search convnext_or_modulation_64 --data images --flops 5M..40M --time 2s --workers 2 --study mine --images 128",
    ),
    Row(("nas front mine",), r"front of \d+ trial"),
    Row(("nas export mine --pick knee --out exports/mine",), "to exports/mine, reloaded and verified"),
    Row(
        ("nas train exports/mine/arch.yaml --data path/to/images --recipe muon --epochs 60 --out exports/mine-long",),
        "exports/mine-long[\\s\\S]*test accuracy",
        "nas train exports/mine/arch.yaml --data images --recipe muon --epochs 1 --out exports/mine-long",
    ),
    Row(
        ("nas predict exports/mine-long path/to/others",),
        r"accuracy \d+\.\d\d% \(top-1, n = \d+\)",
        "nas predict exports/mine-long images",
    ),
    Row(("nas init walk --preset convnext_or_modulation_32",), r"next: nas space walk/space\.yaml"),
    Row(("nas space walk/space.yaml --flops 1M..16M",), r"1M\.\.16M"),
    Row(
        (
            "nas search walk/space.yaml --data path/to/images --flops 1M..16M --trials 60 --repeats 16 --baseline "
            "--study walk",
        ),
        "baseline, random search, walk-random:",
        "nas search walk/space.yaml --data images --flops 1M..16M --trials 24 --repeats 1 --images 64 --baseline "
        "--study walk",
    ),
    Row(("nas audit walk --images 3x",), "tau", "nas audit walk --images 2x"),
    Row(("nas record walk-random --out walk.parquet",), r"walk\.parquet: \d+ trainings of \d+ networks"),
    Row(("nas replay walk.parquet",), "random/moasha", "nas replay walk.parquet --seeds 1 --trials 4"),
    Row(("nas report walk --out walk.html",), r"walk\.html: [\d,]+ bytes"),
)

_SMALL = "nas search convnext_or_modulation_32 --data images --flops 500K..1M --trials 4 --epochs 2 --sampler random"
TABLE = (
    Row(
        ("nas record first second --out table.parquet",),
        r"table\.parquet: 8 trainings of [5-8] networks",
        before=(f"{_SMALL} --study first", f"{_SMALL} --study second --seed 1"),
    ),
    Row(
        (
            "nas search convnext_or_modulation_32 --data path/to/cifar10 --flops 500K..5M --trials 400 --repeats 30 "
            "--sampler random --recipe benchmarks/recorded.yaml --workers 2 --study recorded",
        ),
        r"front of 20 networks \(22 trainings\)",
        "nas search convnext_or_modulation_32 --data images --flops 500K..5M --trials 20 --repeats 2 "
        "--sampler random --recipe benchmarks/recorded.yaml --epochs 3 --workers 2 --study recorded",
    ),
    Row(("nas record recorded --out table.parquet",), r"table\.parquet: 22 trainings of 20 networks"),
    Row(
        (
            "nas search convnext_or_modulation_32 --data path/to/cifar10 --flops 1M..16M --trials 400 --repeats 60 "
            "--sampler random --stop none --workers 2 --study recorded-30k",
        ),
        r"front of \d+ networks \(4 trainings\)",
        "nas search convnext_or_modulation_32 --data images --flops 1M..16M --trials 3 --images 192 --repeats 1 "
        "--sampler random --stop none --workers 2 --study recorded-30k",
    ),
    Row(
        ("nas record recorded-30k --out recorded-30k.parquet",),
        r"recorded-30k\.parquet: 4 trainings of 3 networks",
    ),
    Row(("nas record STUDY",), r"_32-images\.parquet: 22 trainings", "nas record recorded"),
    Row(
        ("nas replay table.parquet --sampler ehvi --sampler tpe --stop quantile --plot replay.html --json",),
        '"quantile"',
        "nas replay table.parquet --sampler ehvi --sampler tpe --stop quantile --plot replay.html --json --seeds 1 "
        "--trials 4",
    ),
    Row(
        ("nas replay --sampler ehvi --sampler tpe --stop quantile --plot replay.html",),
        "tpe/quantile",
        "nas replay --sampler ehvi --sampler tpe --stop quantile --plot replay.html --seeds 1 --trials 4",
    ),
    Row(
        ("nas replay table.parquet --sampler random",),
        "random/quantile",
        "nas replay table.parquet --sampler random --seeds 1 --trials 4",
    ),
    Row(("nas replay TABLE",), "random/moasha", "nas replay table.parquet --seeds 1 --trials 4"),
    Row(("nas replay", "time nas replay"), "random/moasha", "nas replay --seeds 2 --trials 4"),
    Row(
        (
            "nas search benchmarks/exhaustive.yaml --data path/to/cifar10 --flops 200K..5M --trials 256 --repeats 64 "
            "--sampler random --workers 2 --study exhaustive",
        ),
        r"front of 3 networks \(4 trainings\)",
        "nas search benchmarks/exhaustive.yaml --data images --flops 200K..5M --trials 3 --images 192 --repeats 1 "
        "--sampler random --workers 2 --study exhaustive",
    ),
    Row(("nas record exhaustive --out exhaustive.parquet",), r"exhaustive\.parquet: 4 trainings of 3 networks"),
    Row(("nas replay exhaustive",), "exhaustive: mean gap to the best", "nas replay exhaustive --seeds 1 --trials 4"),
    Row(
        ("nas replay exhaustive --sampler random",),
        "random/quantile",
        "nas replay exhaustive --sampler random --seeds 2 --trials 4",
    ),
    Row(("nas replay --sampler random",), "random/quantile", "nas replay --sampler random --seeds 2 --trials 4"),
)

NETWORKS = (
    Row(("nas cost convnext_tiny",), "4,455,531,264", cold=True),
    Row(("nas cost resnet50",), "4,089,184,256"),
    Row(("nas cost resnet50 convnext_tiny",), "4,089,184,256[\\s\\S]*4,455,531,264"),
    Row(("nas show resnet50",), "bottleneck"),
    Row(("nas --help",), "To begin:"),
    Row(("nas COMMAND --help",), "Usage: nas cost", "nas cost --help"),
    Row(("nas space SPACE",), "networks", "nas space digits"),
    Row(("nas space convnext_or_modulation_32 --flops 20M..22M",), r"20M\.\.22M"),
    Row(("nas space convnext_or_modulation_32 --narrow kernel=7,9 --flops 20M..25M",), r"20M\.\.25M"),
    Row(("nas space roadmap_224 --against roadmap_32",), "stem"),
    Row(("nas space convnext_224 --narrow kernel=7,9 --save mine.yaml",), r"saved as mine\.yaml"),
    Row(
        ("nas compare-spaces SPACE OTHER --data DATA --flops 8M..10M",),
        r"at equal FLOPs \(Kolmogorov-Smirnov distance",
        "nas compare-spaces digits bn.yaml --data digits --flops 50K..200K --networks 8 --images 1K",
        before=("nas space digits --narrow norm=bn --save bn.yaml",),
    ),
    Row(("nas draw convnext_or_modulation_32 --count 5 --flops 20M..22M",), "FLOPs"),
    Row(("nas draw SPACE --flops 20M..22M",), "FLOPs", "nas draw convnext_or_modulation_32 --flops 20M..22M"),
    Row(
        (
            "nas import convnext_tiny.safetensors --as convnext_tiny --out exports/tiny",
            "nas import FILE --as ARCH --out DIR",
        ),
        "exports/tiny",
        "nas import convnextv2_atto.safetensors --as convnextv2_atto --out exports/tiny",
    ),
)

WORKERS = (
    Row(
        ("... --images 30K --stop quantile --workers 2 --repeats 10 --metric balanced --baseline",),
        "baseline, random search, two-random:",
        "nas search digits --data digits --flops 50K..200K --trials 12 --images 3K --study two --stop quantile "
        "--workers 2 --repeats 1 --metric balanced --baseline",
    ),
    Row(
        ("nas search digits --data digits --flops 200K..4M --trials 60 --workers 4",),
        r"front of \d+ trials",
        "nas search digits --data digits --flops 200K..4M --trials 8 --workers 4 --epochs 1",
    ),
    Row(("nas worker digits-200K-4M",)),
)

# {...}: servers of the tests
MACHINES = (
    Row(("export PGPASSWORD=...",), run="export PGPASSWORD={password}"),
    Row(("export NAS_STORAGE=postgresql://me@host/database",), run="export NAS_STORAGE={storage}"),
    Row(
        ("export AWS_ENDPOINT_URL=... AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...",),
        run="export AWS_ENDPOINT_URL={store} AWS_ACCESS_KEY_ID=me AWS_SECRET_ACCESS_KEY=secret",
    ),
    Row(
        (
            "nas search digits --data digits --flops 200K..4M --trials 60 --storage postgresql://me@host/database "
            "--artifacts s3://bucket/prefix",
        ),
        "front of 2 trials",
        "nas search digits --data digits --flops 200K..4M --trials 2 --storage {storage} --artifacts s3://nets/here "
        "--epochs 1",
    ),
    Row(
        (
            "nas search convnext_or_modulation_32 --data path/to/images --flops 5M..40M --trials 200 --workers 2 --storage "
            "postgresql://me@host/database --artifacts s3://bucket/prefix --study big",
        ),
        "front of [12] trials?",
        "nas search convnext_or_modulation_32 --data images --flops 5M..40M --trials 2 --images 128 --workers 2 "
        "--storage {storage} --artifacts s3://nets/big --study big",
    ),
    Row(("nas worker big",)),
    Row(
        ("... --storage postgresql://... --artifacts s3://... --on ray", "nas search ... --on ray"),
        r"front of \d+ trials",
        "nas search digits --data digits --flops 50K..200K --trials 10 --epochs 2 --study everywhere "
        "--storage {storage} --artifacts s3://nets/there --on ray",
        cold=True,
    ),
)

STEPS = (
    Row(
        ("nas steps resnet_32 convnext_32 --data digits --image-size 8 --flops 400K --design paths",),
        r"steps-resnet_32-convnext_32-digits-400K-paths: 13 steps, 1\d trainings of 1\d\s+networks[\s\S]*no effects",
        "nas steps resnet_32 convnext_32 --data digits --image-size 8 --flops 400K --design paths --images 1K",
    ),
    Row(
        ("nas steps STUDY",),
        "order",
        "nas steps steps-resnet_32-convnext_32-digits-400K-paths",
    ),
)

LATENCY = (
    Row(
        (
            "nas measure SPACE --networks 100 [--flops 1M..8M] [--batch 1,64] [--channels 3] "
            "[--runtime onnxruntime] [--out FOLDER]",
        ),
        r"devices/digits-[\s\S]*median error",
        "nas measure digits --networks 20 --flops 200K..1M --channels 1",
    ),
    Row(
        ("nas measure SPACE --networks 100",), r"devices/digits-[\s\S]*median error", "nas measure digits --networks 12"
    ),
    Row(
        ("nas search SPACE --data DATA --latency ..5ms",),
        r"front of \d",
        "nas search digits --data digits --latency ..5ms --trials 2 --images 300",
    ),
    Row(
        ("nas search SPACE --data DATA --flops 1M..8M --latency ..5ms --batch 64 --runtime onnxruntime",),
        r"front of \d",
        "nas search digits --data digits --flops 200K..1M --latency ..50ms --batch 64 --runtime onnxruntime --trials 1 "
        "--images 300",
        before=("nas measure digits --networks 5 --flops 200K..1M --channels 1 --batch 64 --runtime onnxruntime",),
    ),
    Row(
        ("nas search SPACE --data DATA --latency ..5ms@DEVICE",),
        r"front of \d",
        "nas search digits --data digits --latency ..6ms@thread --trials 1 --images 300",
    ),
)
CHAINS = {
    "steps": STEPS, "demo": DEMO, "paths": PATHS, "study": STUDY, "cifar": CIFAR, "table": TABLE, "networks": NETWORKS, "workers": WORKERS,
    "machines": MACHINES, "latency": LATENCY,
}  # fmt: skip

CI, HAND = ".ci/run", "hand"
LEFT = (
    Left(("make install",), "makes the environment that tests run in", CI),
    Left(("make test",), "runs the tests", CI),
    Left(("make lint",), "checks format, style and types", CI),
    Left(
        ("make demo", "time make demo"),
        "the chain `demo` is its commands, shortened; whole it takes a minute or two",
        CI,
    ),
    Left(
        ("nas dashboard mine", "nas dashboard digits-1M-4M"),
        "`nas dashboard STUDY` is run, on another one",
        "tests/documented/test_demo.py",
    ),
    Left(("make dashboard",), "its recipe is `nas dashboard`, which is run", "Makefile"),
    Left(
        (
            "nas measure cifar10-16M --batch 1,64 --runtime onnxruntime",
            "nas front cifar10-16M --by latency --batch 64",
        ),
        "some minutes, on a quiet machine; other studies are measured in the chain `study`",
        "tests/nas/latency/test_measurements.py",
    ),
    Left(
        ("nas search SPACE --data DATA --latency ..5ms --device-model phone.json",),
        "a file of another machine",
        "tests/nas/searching/test_latency_budget.py",
    ),
    Left(("nas delete digits-1M-4M",), "asks a person", "tests/nas/cli/test_keeping.py"),
    Left(
        (
            "nas compare-spaces convnext_32 conv2former_32 --data cifar10 --flops 8M..10M",
            "nas space convnext_or_modulation_32 --narrow-from cifar10-16M --out narrowed.yaml",
            "nas compare-spaces convnext_or_modulation_32 narrowed.yaml --data ../shared/data/cifar10 --flops 2M..4M "
            "--networks 10 --images 15K",
        ),
        "trains for minutes to hours on CIFAR-10; tested on digits, the proposal on the committed study",
        "tests/nas/cli/test_comparing.py",
    ),
    Left(("nas worker 0",), "what `ps` shows", "docs/workers.md"),
    Left(
        ("pip install -c constraints.txt .", "pip uninstall convnext-design-space"),
        "makes another environment",
        HAND,
    ),
    Left(("pip install .",), "of a package beside nas", "tests/space/test_extending.py"),
    Left(
        ("nas search ... --on ray://head:10001 --workers 8 --gpus-per-worker 0.25",),
        "needs a cluster with GPUs",
        "tests/nas/searching/test_on_ray.py",
    ),
    Left(
        (
            "nas reference cifar10-16M --data ../shared/data/cifar10 timm:convnext_atto timm:resnet18 --scale --flops 4M",
            "nas reference cifar10-16M --data ../shared/data/cifar10 examples/references.py:cifar_resnet --scale "
            "--flops 5M",
        ),
        "minutes a network; the same options are run on the digits",
        "tests/nas/references/test_training.py",
    ),
    Left(
        (
            "nas steps resnet_32 convnext_32 --data path/to/cifar10 --flops 7.5M --steps roadmap --design fraction "
            "--repeats 32 --study walk-32",
            "nas steps walk-32",
        ),
        "128 networks of CIFAR-10; a smaller design is in its test",
        "tests/nas/cli/test_stepping.py",
    ),
    Left(
        ("nas record walk-32 --out runs/walk-32/walk-32.parquet",),
        "writes into the checkout; its test writes elsewhere",
        "tests/nas/benchmark/test_table.py",
    ),
    Left(
        (
            "nas steps examples/ablations/sigmoid_3.yaml examples/ablations/hadamard_7.yaml --data ../shared/data/cifar10 "
            "--flops 4M --seeds 4 --study modulation-sigmoid",
            "nas steps modulation-sigmoid",
            "nas steps examples/ablations/l1_7.yaml examples/ablations/hadamard_11.yaml --data ../shared/data/cifar10 "
            "--flops 4M --seeds 4 --study modulation-l1",
            "nas steps modulation-l1",
            "nas steps examples/ablations/sum_3.yaml examples/ablations/hadamard_11.yaml --data ../shared/data/cifar10 "
            "--flops 4M --seeds 4 --study modulation-sum",
            "nas steps modulation-sum",
            "nas steps resnet_32 convnext_32 --data ../shared/data/cifar10 --flops 7.5M --steps roadmap --design paths "
            "--unequal --seeds 2 --study walk-unequal",
            "nas steps walk-unequal",
        ),
        "half an hour; what the committed study says is in its test",
        "tests/documented/test_steps.py",
    ),
    Left(
        ("nas search convnext_or_modulation_32 --data path/to/images --flops 1M..8M --params ..50K --trials 30",),
        "minutes; the same options are run on the digits",
        "tests/nas/searching/test_limits.py",
    ),
    Left(
        (
            "nas search convnext_or_modulation_32 --data path/to/images --flops 1M..8M --minimize params --trials 30",
            "... --minimize params",
        ),
        "minutes; the same options are run on the digits",
        "tests/nas/searching/test_minimize.py",
    ),
    Left(
        (
            "nas search convnext_or_modulation_32 --data path/to/images --flops 1M..8M --accuracy 92% --trials 60",
            "... --accuracy 92%",
        ),
        "an hour; the same options are run on the digits",
        "tests/nas/searching/test_accuracy_goal.py",
    ),
    Left(
        ("nas export STUDY --out DIR --accuracy 65% --params ..100K",),
        "an export of another network is run; what these limits pick is in its test",
        "tests/nas/export/test_pick.py",
    ),
    Left(
        (
            "nas train exports/knee/arch.yaml --data ../shared/data/cifar10 --recipe benchmarks/long.yaml --epochs 30 "
            "--out exports/knee-convnext",
        ),
        "half an hour; other recipes are run in the chain `paths`",
        "tests/nas/final/test_training.py",
    ),
    Left(
        (
            "srun --ntasks 8 --gpus-per-task 1 nas worker STUDY",
            "srun --ntasks 8 --gpus-per-task 1 nas worker big",
        ),
        "needs Slurm",
        "docs/cluster.md",
    ),
    Left(
        (
            "nas search convnext_or_modulation_32 --data cifar10 --flops 1M..16M --images 90K --trials 40 --repeats 16 "
            "--baseline --study mine-16M",
        ),
        "downloads CIFAR-10; the chain `cifar` runs the same search of other images",
        "tests/documented/test_cifar.py",
    ),
    Left(("make docs",), "builds these pages as a site", CI),
    Left(("UV_TORCH_BACKEND=cpu make install",), "needs PyTorch's own package index", "docs/faq.md"),
    Left(
        (
            "make bench",
            "python -m benchmarks.training path/to/cifar10 --images 3000 --epochs 2 --networks 3",
            "python -m benchmarks.training DATA --images 3000 --epochs 2 --networks 3",
            "python -m benchmarks.compiling path/to/cifar10",
            "python -m benchmarks.gpu path/to/cifar10",
            "python -m benchmarks.reaching path/to/cifar10",
            "OMP_NUM_THREADS=1 python -m benchmarks.running_statistics",
            "OMP_NUM_THREADS=1 python -m benchmarks.reference_muon",
            "OMP_NUM_THREADS=1 python -m benchmarks.precision path/to/cifar10",
            "python -m benchmarks.compiling DATA",
            "python -m benchmarks.feeding",
            "OMP_NUM_THREADS=1 python -m benchmarks.depthwise",
            "python -m benchmarks.depthwise",
            "python -m benchmarks.goals",
            "OMP_NUM_THREADS=1 python -m benchmarks.drawing",
            "OMP_NUM_THREADS=1 python -m benchmarks.latency_models",
            "OMP_NUM_THREADS=1 python -m benchmarks.latency_models --twice",
            "OMP_NUM_THREADS=1 python -m benchmarks.searching",
            "python -m benchmarks.searching",
            "python -m benchmarks.scale",
            "python -m benchmarks.scale --server",
            "OMP_NUM_THREADS=1 python -m benchmarks.scale --readers 500",
            "python -m benchmarks.dashboard",
            "python -m benchmarks.startup",
            "python -m benchmarks.kills",
            "python -m benchmarks.stopping",
            "python -m benchmarks.families",
            "OMP_NUM_THREADS=1 python -m benchmarks.families",
            "python -m benchmarks.estimating",
            "python -m benchmarks.ranking path/to/cifar10 benchmarks/ranking.jsonl",
            "python -m benchmarks.ranking path/to/cifar10 benchmarks/ranking.jsonl --report",
            "python -m benchmarks.exporting exports/knee-long --data path/to/cifar10",
            "OMP_NUM_THREADS=1 python -m benchmarks.exporting exports/knee-long --data path/to/cifar10",
        ),
        "measures for minutes to hours on an idle machine; here its words are parsed",
        HAND,
    ),
)

# python blocks, by how they begin: the folder of a chain to run them in, and what a person has by then
SNIPPETS = {
    "import nas\n\nmodel": ("demo", ".", "from PIL import Image\nimage = Image.new('L', (8, 8))\n"),
    "import nas\n\nspace": ("tests/nas/test_api.py", ".", ""),
    "from modeling import": (
        "demo",
        "exports/digits",
        "import torch\npixels = torch.zeros(2, 8, 8, 1, dtype=torch.uint8)\n",
    ),
    "import pandas as pd\n": ("table", ".", ""),
}
ELSEWHERE = {
    "docs/extending.md": "tests/space/test_extending.py",
    "docs/tracking.md": "tests/nas/test_tracking.py",
}  # all blocks of a page
