"""Reads event files of ours with TensorBoard itself (`pip install tensorboard`, checked with 2.21). By hand, from the root:

    folder=$(mktemp -d)
    TENSORBOARD_FOLDER=$folder swift test --filter filesForTheCheckScript
    python3 Tests/TrainingTests/check_tensorboard.py $folder
"""

import sys

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1])
events.Reload()
assert events.Tags()["scalars"] == ["train/ce", "comm/devices_per_token"], events.Tags()
assert events.file_version == 2.0, events.file_version

# Steps 4 and 5 of the first part were run again after resuming from step 3: only the second part's count.
found = [(e.wall_time, e.step, e.value) for e in events.Scalars("train/ce")]
first = [(1000.0, step, 10.0 - step) for step in range(4)]
second = [(2000.0, step, 20.0 - step) for step in range(4, 8)]
assert found == first + second, found

text = events.Tensors("recipe/text_summary" if "recipe/text_summary" in events.Tags()["tensors"] else "recipe")
assert text[0].tensor_proto.string_val[0] == b"    version: 1\n    ", text
assert events.SummaryMetadata("recipe").plugin_data.plugin_name == "text"
print(f"tensorboard {tensorboard.__version__}: {len(found)} steps of {events.Tags()['scalars']}, text, resumed at 4: fine")
