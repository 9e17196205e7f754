/// The task files of this folder, which are part of the program: tasks have names wherever it runs.
package enum TaskFiles {
  /// Name and text (UTF-8) of each file.
  package static let all: [(name: String, bytes: [UInt8])] = [
    ("arc_challenge", PackageResources.arc_challenge_yaml), ("arc_easy", PackageResources.arc_easy_yaml),
    ("boolq", PackageResources.boolq_yaml), ("commonsense_qa", PackageResources.commonsense_qa_yaml),
    ("copa", PackageResources.copa_yaml), ("gsm8k", PackageResources.gsm8k_yaml),
    ("hellaswag", PackageResources.hellaswag_yaml), ("hellaswag_2way", PackageResources.hellaswag_2way_yaml),
    ("lambada_openai", PackageResources.lambada_openai_yaml), ("logiqa", PackageResources.logiqa_yaml),
    ("mathqa", PackageResources.mathqa_yaml), ("mmlu", PackageResources.mmlu_yaml),
    ("openbookqa", PackageResources.openbookqa_yaml), ("piqa", PackageResources.piqa_yaml),
    ("rte", PackageResources.rte_yaml), ("sciq", PackageResources.sciq_yaml),
    ("truthfulqa_mc1", PackageResources.truthfulqa_mc1_yaml), ("wikitext", PackageResources.wikitext_yaml),
    ("winogrande", PackageResources.winogrande_yaml), ("wsc", PackageResources.wsc_yaml),
  ]
}
