import subprocess
import sys


def test_importing_the_networks_loads_no_language_model():
    code = (
        "import sys, genesem_train.training.fit; "
        "print([m for m in ('transformers', 'accelerate', 'bitsandbytes') if sys.modules.get(m)], "
        "'torch_geometric' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[0] == "[] True", done.stderr
