/// Lines after a sound beginning, each with the message that it earns; in the order of the recipe's sections.
enum RecipeErrorCases {
  static let lines: [(line: String, message: String)] = [
    // Wrong values, by kind.
    (
      "train: {experts: ful}",
      "r.yaml:5:18: train.experts: expected frozen, full or {lora: {rank: 16}}, found 'ful'; did you mean 'full'?"
    ),
    ("train: {norms: ful}", "r.yaml:5:16: train.norms: expected frozen or full, found 'ful'; did you mean 'full'?"),
    ("run: {seed: eight}", "r.yaml:5:13: run.seed: expected an integer of at least 0, found 'eight'"),
    ("run: {seed: \"8\"}", "r.yaml:5:13: run.seed: expected an integer of at least 0, found '\"8\"'"),
    ("run: {seed: 1.5}", "r.yaml:5:13: run.seed: expected an integer of at least 0, found '1.5'"),
    ("run: {threads: 0}", "r.yaml:5:16: run.threads: expected an integer in 1...4096 or auto, found '0'"),
    ("routing:\n  devices: 0", "r.yaml:6:12: routing.devices: expected an integer in 1...65536, found '0'"),
    (
      "routing: {device_limit: 0}",
      "r.yaml:5:25: routing.device_limit: expected an integer in 1...65536 or none, found '0'"
    ),
    (
      "routing: {load_cap: 0.9}",
      "r.yaml:5:21: routing.load_cap: expected a number from 1 to 65536 or none, found '0.9'"
    ),
    ("routing: {epsilon: 1}", "r.yaml:5:20: routing.epsilon: expected a number from 0 to below 1, found '1'"),
    (
      "optimizer: {learning_rate: 0}",
      "r.yaml:5:28: optimizer.learning_rate: expected a number above 0, found '0'"
    ),
    (
      "optimizer: {learning_rate: .nan}",
      "r.yaml:5:28: optimizer.learning_rate: expected a number above 0, found '.nan'"
    ),
    (
      "optimizer: {betas: [0.9]}",
      "r.yaml:5:20: optimizer.betas: expected two numbers from 0 to below 1, like [0.9, 0.95], found a list"
    ),
    ("optimizer: [adamw]", "r.yaml:5:12: optimizer: expected a map of keys, found a list"),
    ("save: {dtype: int8}", "r.yaml:5:15: save.dtype: expected null, float32, bfloat16 or float16, found 'int8'"),
    ("schedule: {max_steps: 5}", "r.yaml:5:11: schedule.warmup_steps: expected at most max_steps = 5, found '10'"),
    (
      "schedule: {batch_tokens: 256}",
      "r.yaml:5:26: schedule.batch_tokens: expected at least data.max_tokens = 512, or the longest sample fits no batch, "
        + "found '256'"
    ),
    (
      "routing: {policy: none, device_limit: 2}",
      "r.yaml:5:19: routing.policy: expected a rule that limits devices, as device_limit is 2, found 'none'; try router"
    ),
    (
      "train: {experts: frozen, router: frozen, shared_experts: frozen}",
      "r.yaml:5:8: train: expected a role to train, found all frozen"
    ),
    // Unknown keys: a slip, a key of another section, another tool's name, nothing like it.
    (
      "routing: {devise_limit: 1}",
      "r.yaml:5:11: routing.devise_limit: unknown key; did you mean 'routing.device_limit'?"
    ),
    ("device_limit: 1", "r.yaml:5:1: device_limit: unknown key; did you mean 'routing.device_limit'?"),
    ("optimizer: {lr: 1}", "r.yaml:5:13: optimizer.lr: unknown key; did you mean 'optimizer.learning_rate'?"),
    ("save: {xyzzy: 1}", "r.yaml:5:8: save.xyzzy: unknown key; known here: every, keep, dtype"),
    // Tasks.
    ("tasks: {names: [piqa]}", "r.yaml:5:8: tasks.data: expected the folder of the tasks' data, found none"),
    (
      "tasks: {names: [piqa, piqa], data: d}",
      "r.yaml:5:16: tasks.names: expected a list of different tasks, like [piqa, arc_easy], found a list"
    ),
    (
      "tasks: {names: piqa, data: d}",
      "r.yaml:5:16: tasks.names: expected a list of different tasks, like [piqa, arc_easy], found 'piqa'"
    ),
    ("tasks: {every: 0}", "r.yaml:5:16: tasks.every: expected an integer in 1...1000000000 or none, found '0'"),
    ("tasks: {data: [d]}", "r.yaml:5:15: tasks.data: expected a folder, found a list"),
    // Adapters.
    (
      "train: {experts: {lora: {rank: 0}}}",
      "r.yaml:5:32: train.experts.lora.rank: expected an integer in 1...1024, found '0'"
    ),
    (
      "train: {attention: {lora: {rank: 4096}}}",
      "r.yaml:5:34: train.attention.lora.rank: expected an integer in 1...1024, found '4096'"
    ),
    (
      "train: {router: {lora: {alpha: -1}}}",
      "r.yaml:5:32: train.router.lora.alpha: expected a number above 0 and at most 1000000.0, found '-1'"
    ),
    (
      "train: {experts: {lora: {share: 0}}}",
      "r.yaml:5:33: train.experts.lora.share: expected a number above 0 and at most 1, found '0'"
    ),
    (
      "train: {attention: {lora: {share: 0.5}}}",
      "r.yaml:5:35: train.attention.lora.share: expected 1, as only experts can be adapted in part, found '0.5'"
    ),
    (
      "train: {experts: {lora: {dropout: 0.1}}}",
      "r.yaml:5:35: train.experts.lora.dropout: dropout of adapters is not supported; leave the key out"
    ),
    (
      "train: {experts: {lora: {rnk: 4}}}",
      "r.yaml:5:26: train.experts.lora.rnk: unknown key; did you mean 'train.experts.lora.rank'?"
    ),
    (
      "train: {experts: {lora: {rank: 4}, rank: 4}}",
      "r.yaml:5:36: train.experts.rank: unknown key; did you mean 'train.experts.lora.rank'?"
    ),
    ("train: {experts: {rank: 4}}", "r.yaml:5:19: train.experts.rank: unknown key; known here: lora"),
    ("train: {experts: {}}", "r.yaml:5:18: train.experts: expected a map like {lora: {rank: 16}}, found an empty map"),
    (
      "train: {experts: lora}",
      "r.yaml:5:18: train.experts: expected lora with its keys, like {lora: {rank: 16}}, found 'lora'"
    ),
    (
      "train: {experts: {lora: 16}}",
      "r.yaml:5:25: train.experts.lora: expected a map of keys like {rank: 16}, found '16'"
    ),
    (
      "train: {norms: {lora: {rank: 4}}}",
      "r.yaml:5:16: train.norms: expected frozen or full, found lora, which goes beside the matrices of other roles"
    ),
    // Of the schema, but not of this version.
    (
      "routing: {policy: similar}",
      "r.yaml:5:19: routing.policy: expected none, router, similarity, output_similarity, mass, best_mass, adaptive, "
        + "group_limited, c2r, drop, fewer_experts or random_devices, found 'similar'; did you mean 'similarity'?"
    ),
    (
      "routing: {device_limit: [2, 0]}",
      "r.yaml:5:25: routing.device_limit: expected an integer in 1...65536 for each MoE layer, found another list"
    ),
    (
      "routing: {device_limit: {auto: 5}}",
      "r.yaml:5:25: routing.device_limit: expected {auto: mean devices_per_token}, from 1 to 4 devices, found a map"
    ),
    (
      "routing: {device_limit: [2, 1], device_limit_schedule: {from: 4, steps: 9}}",
      "r.yaml:5:56: routing.device_limit_schedule: expected a device_limit of one number to end at, found limits by layer"
    ),
    (
      "routing: {similarity_threshold: 2}",
      "r.yaml:5:33: routing.similarity_threshold: expected a number from -1 to 1, found '2'"
    ),
    ("routing: {partners: 0}", "r.yaml:5:21: routing.partners: expected an integer in 1...65536 or auto, found '0'"),
    (
      "routing: {placement: kernighan_lin}",
      "r.yaml:5:22: routing.placement: expected contiguous, random, occult, spectral, load, refined or "
        + "a placement file (.json), found 'kernighan_lin'"
    ),
    (
      "parallel: {nodes: 3}",
      "r.yaml:5:19: parallel.nodes: expected a divisor of routing.devices, which is 4, found 3"
    ),
    ("parallel: {nodes: 0}", "r.yaml:5:19: parallel.nodes: expected an integer in 1...65536, found '0'"),
    (
      "parallel: {nodes: 2, dispatch: naive}",
      "r.yaml:5:19: parallel.nodes: expected 1 where parallel.dispatch is naive, found 2; try "
        + "parallel.dispatch=deduplicated"
    ),
    // Soft pruning.
    (
      "loss: {collaboration: -0.1}",
      "r.yaml:5:23: loss.collaboration: expected a number of at least 0, found '-0.1'"
    ),
    (
      "loss: {collaboration: 0.1}\nrouting: {devices: 1}",
      "r.yaml:5:7: loss.collaboration: expected routing.devices of at least 2, as a token cannot reach fewer devices than "
        + "one, found 1"
    ),
    (
      "loss: {collaboration_temperature: 0}",
      "r.yaml:5:35: loss.collaboration_temperature: expected a number above 0, found '0'"
    ),
    (
      "loss: {distillation: 0.1}",
      "r.yaml:5:22: loss.distillation: expected a map of keys, found '0.1'"
    ),
    (
      "loss: {distillation: {temperature: 0}}",
      "r.yaml:5:36: loss.distillation.temperature: expected a number above 0, found '0'"
    ),
    (
      "loss: {distillation: {logit: 1}}",
      "r.yaml:5:23: loss.distillation.logit: unknown key; did you mean 'loss.distillation.logits'?"
    ),
    (
      "routing: {device_limit_schedule: {from: 4, steps: 10}}",
      "r.yaml:5:34: routing.device_limit_schedule: expected a device_limit to end at, found none; try device_limit: 1"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: 4}",
      "r.yaml:5:51: routing.device_limit_schedule: expected null, a map like {from: 4, steps: 100} or pairs like [[0, 4], "
        + "[50, 3], [100, 2]] of step and limit, found '4'"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: [4, 2]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected null, a map like {from: 4, steps: 100} or pairs like [[0, 4], "
        + "[50, 3], [100, 2]] of step and limit, found a list"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: {from: 5, steps: 10}}",
      "r.yaml:5:58: routing.device_limit_schedule.from: expected an integer in 3...4, found '5'"
    ),
    (
      "routing: {device_limit: 1, device_limit_schedule: {from: 4, steps: 2}}",
      "r.yaml:5:68: routing.device_limit_schedule.steps: expected an integer in 3...1000000000, found '2'"
    ),
    (
      "routing: {device_limit: 1, device_limit_schedule: {from: 4}}",
      "r.yaml:5:51: routing.device_limit_schedule.steps: expected the steps after which device_limit holds, found no such key"
    ),
    (
      "routing: {device_limit: 4, device_limit_schedule: {from: 4, steps: 10}}",
      "r.yaml:5:51: routing.device_limit_schedule: expected a device_limit below devices = 4 to fall to, found 4"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: {form: 4, steps: 10}}",
      "r.yaml:5:52: routing.device_limit_schedule.form: unknown key; did you mean 'routing.device_limit_schedule.from'?"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: [[5, 4], [10, 2]]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected a first stage at step 0, found one at step 5"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: [[0, 4], [0, 2]]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected steps that rise, found 0 after 0"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: [[0, 2], [9, 3]]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected limits that fall, found 3 after 2"
    ),
    (
      "routing: {device_limit: 2, device_limit_schedule: [[0, 5], [9, 2]]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected limits of at most devices = 4, found 5"
    ),
    (
      "routing: {device_limit: 1, device_limit_schedule: [[0, 4], [9, 2]]}",
      "r.yaml:5:51: routing.device_limit_schedule: expected to end at device_limit = 1, found 2"
    ),
    (
      "routing: {device_limit: 1, device_limit_schedule: []}",
      "r.yaml:5:51: routing.device_limit_schedule: expected at least one stage, found none"
    ),
    // Arms.
    (
      "study:\n  arms:\n    L2: {routing.devise_limit: 2}",
      "r.yaml:7:10: routing.devise_limit: unknown key; did you mean 'routing.device_limit'?"
    ),
    (
      "study: {arms: {L2: {routing.device_limit: 0}}}",
      "r.yaml:5:21: routing.device_limit: expected an integer in 1...65536 or none, found '0'"
    ),
    (
      "study: {arms: {a: {run.seed: 2}}}",
      "r.yaml:5:20: study.arms.a: an arm may change only keys of routing, train, loss, optimizer, schedule, parallel, "
        + "found 'run.seed': arms share model, data, seed and saving"
    ),
    (
      "study: {arms: {a: {}}, rules: {a: {routing.device_limit: 2}}}",
      "r.yaml:5:31: study.rules: expected names that no arm has, found 'a' among both"
    ),
    (
      "study: {rules: {r: {optimizer.clip: 2}}}",
      "r.yaml:5:21: study.rules.r: a rule may change only keys of routing, found 'optimizer.clip'"
    ),
    (
      "study: {arms: {base: {}}}",
      "r.yaml:5:16: study.arms.base: 'base' names the model before fine-tuning; choose another name"
    ),
    (
      "study: {seeds: [1, 1]}",
      "r.yaml:5:16: study.seeds: expected a list of different integers of at least 0, found a list"
    ),
    // YAML itself.
    ("run: {seed: 1, seed: 2}", "r.yaml:5:16: run.seed: given twice, before in line 5; remove one"),
    (
      "run: [1",
      "r.yaml:6:1: expected YAML, while parsing a flow sequence from line 5: did not find expected ',' or ']'"
    ),
  ]
}
