#include "services/common/digit_analysis/number_changer.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/transform.h"

namespace sallyport {
namespace {

using Side = TransformStep::Side;
using Kind = TransformStep::Kind;

// How long the access code of every number is that the pattern matches, if
// that can be told from its text: symbols and classes before the dot, each
// once. Most are so, and need not be parsed on the call path.
std::optional<size_t> AccessCodeLength(std::string_view text) {
  size_t length = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '.':
        return length;
      case '!':
      case '+':
      case '?':
      case '@':
        return std::nullopt;
      case '\\':
        ++i;
        break;
      case '[':
        i = text.find(']', i);
        if (i == std::string_view::npos) return std::nullopt;
        break;
      default:
        break;
    }
    ++length;
    // A repeat behind it makes it none or many.
    if (i + 1 < text.size() && (text[i + 1] == '+' || text[i + 1] == '?')) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

NumberChanger::NumberChanger(std::string called, std::string calling,
                             std::vector<TransformStep>* steps)
    : called_(std::move(called)), calling_(std::move(calling)), steps_(steps) {}

void NumberChanger::Set(const std::string& resource, Side side, Kind kind,
                        std::string_view rule, std::string after) {
  std::string& number = side == Side::kCalled ? called_ : calling_;
  if (steps_ != nullptr) {
    steps_->push_back({resource, side, kind, std::string(rule), number, after});
  }
  number = std::move(after);
}

void NumberChanger::SetCalled(const std::string& resource, Kind kind,
                              std::string_view rule, std::string number) {
  Set(resource, Side::kCalled, kind, rule, std::move(number));
}

void NumberChanger::RestoreCalled(const std::string& resource,
                                  const NumberChanger& earlier) {
  if (called_ == earlier.called_) return;
  Set(resource, Side::kCalled, Kind::kRestore, "", earlier.called_);
}

void NumberChanger::RestoreCalling(const std::string& resource,
                                   const NumberChanger& earlier) {
  restrict_ = earlier.restrict_;
  if (calling_ == earlier.calling_) return;
  Set(resource, Side::kCalling, Kind::kRestore, "", earlier.calling_);
}

void NumberChanger::ChangeCalled(const std::string& resource,
                                 const Transformation& change,
                                 std::string_view text,
                                 std::string_view numbering_plan, size_t form) {
  const std::optional<size_t> access_code =
      change.discard == DiscardDigits::kPreDot ? AccessCodeLength(text)
                                               : std::nullopt;
  if (access_code.has_value() && *access_code <= called_.size()) {
    Set(resource, Side::kCalled, Kind::kDiscard, "PreDot",
        called_.substr(*access_code));
  } else if (change.discard != DiscardDigits::kNone) {
    const NumberingPlan* plan = text.find('@') == std::string_view::npos
                                    ? nullptr
                                    : FindNumberingPlan(numbering_plan);
    const absl::StatusOr<DialPattern> pattern =
        DialPattern::Parse(text, plan != nullptr && form < plan->forms().size()
                                     ? &plan->forms()[form]
                                     : nullptr);
    if (pattern.ok()) {  // it was compiled once
      Set(resource, Side::kCalled, Kind::kDiscard,
          steps_ == nullptr ? "" : DiscardDigitsName(change.discard),
          ApplyDiscard(change.discard, *pattern, called_));
    }
  }
  if (!change.called_mask.empty()) {
    Set(resource, Side::kCalled, Kind::kMask, change.called_mask,
        ApplyMask(change.called_mask, called_));
  }
  if (!change.called_prefix.empty()) {
    Set(resource, Side::kCalled, Kind::kPrefix, change.called_prefix,
        change.called_prefix + called_);
  }
}

void NumberChanger::ChangeCalling(const std::string& resource,
                                  const Transformation& change,
                                  std::string_view external_mask) {
  if (change.restrict_presentation && !restrict_) {
    restrict_ = true;
    Set(resource, Side::kCalling, Kind::kRestrict, "", calling_);
  }
  const bool external = change.use_external_mask && !external_mask.empty();
  if (!external && change.calling_mask.empty() &&
      change.calling_prefix.empty()) {
    return;
  }
  const absl::StatusOr<Number> from = Number::Parse(calling_);
  if (!from.ok()) return;
  if (from->text() != calling_) {
    Set(resource, Side::kCalling, Kind::kNormalize, "separators", from->text());
  }
  if (external) {
    Set(resource, Side::kCalling, Kind::kExternalMask, external_mask,
        ApplyMask(external_mask, calling_));
  }
  if (!change.calling_mask.empty()) {
    Set(resource, Side::kCalling, Kind::kMask, change.calling_mask,
        ApplyMask(change.calling_mask, calling_));
  }
  if (!change.calling_prefix.empty()) {
    Set(resource, Side::kCalling, Kind::kPrefix, change.calling_prefix,
        change.calling_prefix + calling_);
  }
}

}  // namespace sallyport
