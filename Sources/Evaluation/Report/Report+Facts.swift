internal import Formats

extension Report {
  /// What was run.
  var facts: Markup {
    let facts = study.facts
    let documents = comparison.results.first
    var entries: [(String, String)] = [
      ("Model", facts.model),
      ("Parameters", Numbers.short(facts.parameters)),
      ("Experts", "\(facts.experts) in a layer, \(facts.topK) for a token, hidden width \(facts.hidden)"),
      ("Devices", "\(facts.devices)"),
      ("Placement", facts.placement),
      ("Trained on", "\(Numbers.grouped(facts.tokensTrained)) tokens an arm"),
      (facts.seeds.count == 1 ? "Seed" : "Seeds", facts.seeds.map(String.init).joined(separator: ", ")),
      ("Batch order", facts.batchOrders.joined(separator: ", ")),
    ]
    let rates = arms.compactMap { arm in facts.learningRates[arm].map { "\(arm): \($0)" } }
    if !rates.isEmpty { entries.append(("Learning rates, chosen on validation", rates.joined(separator: ", "))) }
    entries += [
      ("Target text", facts.targetData),
      (
        "Target documents",
        "\(Numbers.grouped(documents?.documents ?? 0)) with \(Numbers.grouped(documents?.tokens ?? 0)) counted tokens"
      ),
      ("Retention text", facts.retentionData.isEmpty ? "not measured" : facts.retentionData),
      (
        "Intervals",
        "95 %, \(Numbers.grouped(comparison.bootstrap.draws)) draws over \(comparison.seedCount > 1 ? "seeds and " : "")"
          + "documents, seed \(comparison.bootstrap.seed)"
      ),
      ("Largest change of a logit by placement", facts.maxLogitDifference.map(Self.small) ?? "not measured"),
      ("On the wire", "\(counted(facts.bytesPerElement, "byte")) an element"),
      ("Time", Numbers.duration(facts.seconds)),
      ("Program", "occult \(facts.version)"),
    ]
    return Page.section("facts", "The run") {
      Page.definitions("facts", entries)
    }
  }

  /// What every term on the page means.
  var definitions: Markup {
    Page.section("terms", "What the words mean") {
      Page.definitions("terms", Self.terms)
    }
  }

  private static let terms: [(String, String)] = [
    (
      "Checkpoint, arm",
      "One way of fine-tuning. base: not fine-tuned. standard: fine-tuned without a limit. The others: fine-tuned under "
        + "a limit. All start from the same weights and see the same batches in the same order."
    ),
    (
      "Limit L",
      "The most devices a token may use in a layer. Experts elsewhere are replaced by experts on the kept devices."
    ),
    ("Loss", "Sum of negative log-likelihoods over the sum of counted tokens, in nats per token. Lower is better."),
    ("Token perplexity", "exp(loss), per token of this model’s tokenizer; not comparable between tokenizers."),
    (
      "Standard error, 95 % interval",
      "Spread of the figure when whole documents are drawn anew with replacement, and training seeds where there are "
        + "several (then with Student’s t, as few seeds know their own spread badly). From one seed it covers the choice "
        + "of documents, not that of the seed."
    ),
    (
      "Δ loss vs standard",
      "Loss minus that of the standard checkpoint without a limit, on the same documents. Below 0 is better."
    ),
    (
      "No difference shown",
      "The interval contains 0. That is not a proof of equality: the smallest difference that could have been detected "
        + "(80 % power: half-width of the interval × 2.80 / 1.96) stands beside it."
    ),
    (
      "Gain kept, margin",
      "Gain: loss of the base − loss of standard. Kept: the share of it that an arm keeps, with a one-sided 95 % lower "
        + "bound. Non-inferior: at least 90 % is kept, by that bound; inferior: less is kept, by the upper bound; not "
        + "shown: the data do not say; uninformative: standard is not shown to gain anything."
    ),
    (
      "Recovery",
      "(loss of standard under L − loss of the arm trained under L, at L) / (loss of standard under L − loss of standard "
        + "without a limit). 100 %: training under the limit wins all of its cost back. Undefined unless the interval of "
        + "the denominator lies above 0."
    ),
    (
      "Retention loss",
      "Loss on held-out text like that of the base’s training: what fine-tuning made the model forget."
    ),
    (
      "Devices per token",
      "Number of distinct devices that hold a token’s experts, mean over tokens (C_T). Its own device counts only if it "
        + "holds one of them."
    ),
    ("Remote copies", "Those devices without the token’s own: rows that cross the wire, in each direction."),
    (
      "Naive",
      "What per-expert dispatch would send: one copy for every chosen expert, even when several live on one device."
    ),
    (
      "Bytes per token",
      "Remote copies × hidden width × bytes of an element, for one layer and one direction. A training step sends this "
        + "four times in every layer."
    ),
    (
      "Imbalance",
      "Busiest device over mean of all, mean over steps; of expert rows (compute) and of received rows (wire). 1 is even."
    ),
    (
      "Pairs on one device",
      "Share of co-activations, over pairs of experts, whose two experts share a device (intra_share)."
    ),
    ("Mass kept", "Share of the probability of a token’s original experts that the used ones keep (retained_mass)."),
  ]
}
