#include "services/common/pki/policy_graph.h"

#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

const std::string& AnyPolicy() {
  static const auto* const any = new std::string(kAnyPolicy);
  return *any;
}

absl::Status Violated(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "POLICY_VIOLATED",
                   message);
}

void Lower(int64_t& value, const std::optional<int64_t>& to) {
  if (to.has_value()) value = std::min(value, *to);
}

}  // namespace

PolicyGraph::PolicyGraph(const PolicyInputs& inputs, size_t length)
    : inputs_(inputs),
      explicit_policy_(
          inputs.require_explicit ? 0 : static_cast<int64_t>(length) + 1),
      policy_mapping_(
          inputs.inhibit_mapping ? 0 : static_cast<int64_t>(length) + 1),
      inhibit_any_(inputs.inhibit_any ? 0 : static_cast<int64_t>(length) + 1) {
  levels_.push_back({{AnyPolicy(), Node{{AnyPolicy()}, {}}}});
}

void PolicyGraph::Process(const ParsedCertificate& certificate, bool last) {
  const Level& above = levels_.back();
  Level level;
  if (certificate.policies.has_value() && !above.empty()) {
    bool any = false;
    for (const std::string& policy : *certificate.policies) {
      if (policy == AnyPolicy()) {
        any = true;
        continue;
      }
      Node node;
      for (const auto& [valid, parent] : above) {
        if (parent.expected.contains(policy)) node.parents.insert(valid);
      }
      if (node.parents.empty() && above.contains(AnyPolicy())) {
        node.parents.insert(AnyPolicy());
      }
      if (node.parents.empty()) continue;
      node.expected = {policy};
      level.emplace(policy, std::move(node));
    }
    if (any && (inhibit_any_ > 0 || (!last && certificate.self_issued()))) {
      const Level named = level;
      for (const auto& [valid, parent] : above) {
        for (const std::string& expected : parent.expected) {
          if (named.contains(expected)) continue;
          Node& node = level[expected];
          node.expected = {expected};
          node.parents.insert(valid);
        }
      }
    }
  }
  levels_.push_back(std::move(level));
}

absl::Status PolicyGraph::Prepare(const ParsedCertificate& certificate) {
  std::map<std::string, std::set<std::string>> mapped;
  for (const PolicyMapping& mapping : certificate.policy_mappings) {
    if (mapping.issuer_policy == AnyPolicy() ||
        mapping.subject_policy == AnyPolicy()) {
      return Violated("a mapping of any policy");
    }
    mapped[mapping.issuer_policy].insert(mapping.subject_policy);
  }
  Level& level = levels_.back();
  for (const auto& [issuer_policy, subject_policies] : mapped) {
    const auto it = level.find(issuer_policy);
    if (policy_mapping_ > 0) {
      if (it != level.end()) {
        it->second.expected = subject_policies;
      } else if (level.contains(AnyPolicy())) {
        level.emplace(issuer_policy, Node{subject_policies, {AnyPolicy()}});
      }
    } else if (it != level.end()) {
      level.erase(it);
    }
  }
  if (!certificate.self_issued()) {
    if (explicit_policy_ > 0) --explicit_policy_;
    if (policy_mapping_ > 0) --policy_mapping_;
    if (inhibit_any_ > 0) --inhibit_any_;
  }
  Lower(explicit_policy_, certificate.require_explicit_policy);
  Lower(policy_mapping_, certificate.inhibit_policy_mapping);
  Lower(inhibit_any_, certificate.inhibit_any_policy);
  return absl::OkStatus();
}

// Whether a policy that the user accepts is among those of the whole path:
// the nodes below "any policy" from which the last certificate is reached.
bool PolicyGraph::UserAccepts() const {
  if (levels_.back().empty()) return false;
  if (inputs_.acceptable.empty()) return true;
  if (levels_.back().contains(AnyPolicy())) return true;
  std::set<std::string> alive;
  for (const auto& [policy, node] : levels_.back()) alive.insert(policy);
  for (size_t i = levels_.size() - 1; i > 0; --i) {
    std::set<std::string> above;
    for (const std::string& policy : alive) {
      const Node& node = levels_[i].at(policy);
      if (policy != AnyPolicy() && node.parents.contains(AnyPolicy()) &&
          inputs_.acceptable.contains(policy)) {
        return true;
      }
      above.insert(node.parents.begin(), node.parents.end());
    }
    alive.clear();
    for (const std::string& policy : above) {
      if (levels_[i - 1].contains(policy)) alive.insert(policy);
    }
  }
  return false;
}

absl::Status PolicyGraph::WrapUp(const ParsedCertificate& certificate) {
  if (explicit_policy_ > 0) --explicit_policy_;
  if (certificate.require_explicit_policy == 0) explicit_policy_ = 0;
  if (explicit_policy_ > 0 || UserAccepts()) return absl::OkStatus();
  return Violated("no acceptable policy holds for the whole path");
}

absl::Status PolicyGraph::Next(const ParsedCertificate& certificate,
                               bool last) {
  Process(certificate, last);
  if (explicit_policy_ == 0 && levels_.back().empty()) {
    return Violated("a policy is required, and none holds");
  }
  return last ? WrapUp(certificate) : Prepare(certificate);
}

}  // namespace sallyport
