#include "services/common/digit_analysis/numbering_plan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/numbering_plan_data.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr std::pair<std::string_view, NumberPart> kParts[] = {
    {"AREA-CODE", NumberPart::kAreaCode},
    {"COUNTRY-CODE", NumberPart::kCountryCode},
    {"END-OF-DIALING", NumberPart::kEndOfDialling},
    {"INTERNATIONAL-ACCESS", NumberPart::kInternationalAccess},
    {"INTERNATIONAL-DIRECT-DIAL", NumberPart::kInternationalDirectDial},
    {"INTERNATIONAL-OPERATOR", NumberPart::kInternationalOperator},
    {"LOCAL-AREA-CODE", NumberPart::kLocalAreaCode},
    {"LOCAL-DIRECT-DIAL", NumberPart::kLocalDirectDial},
    {"LOCAL-OPERATOR", NumberPart::kLocalOperator},
    {"LONG-DISTANCE-DIRECT-DIAL", NumberPart::kLongDistanceDirectDial},
    {"LONG-DISTANCE-OPERATOR", NumberPart::kLongDistanceOperator},
    {"NATIONAL-NUMBER", NumberPart::kNationalNumber},
    {"OFFICE-CODE", NumberPart::kOfficeCode},
    {"SERVICE", NumberPart::kService},
    {"SUBSCRIBER", NumberPart::kSubscriber},
    {"TRANSIT-NETWORK", NumberPart::kTransitNetwork},
    {"TRANSIT-NETWORK-ESCAPE", NumberPart::kTransitNetworkEscape},
};

constexpr std::pair<std::string_view, TollClass> kTollClasses[] = {
    {"emergency", TollClass::kEmergency},
    {"local", TollClass::kLocal},
    {"national", TollClass::kNational},
    {"international", TollClass::kInternational},
    {"premium", TollClass::kPremium},
};

absl::Status Bad(size_t line, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "NUMBERING_PLAN_INVALID",
                   absl::StrCat("line ", line, ": ", AbslView(what)));
}

const TollClass* TollClassNamed(std::string_view name) {
  for (const auto& [known, toll_class] : kTollClasses) {
    if (known == name) return &toll_class;
  }
  return nullptr;
}

struct Shape {
  std::string text;
  std::vector<PatternElement> elements;
};
using Shapes = absl::flat_hash_map<std::string, std::vector<Shape>>;

const NumberPart* PartNamed(std::string_view name) {
  for (const auto& [known, part] : kParts) {
    if (known == name) return &part;
  }
  return nullptr;
}

absl::Status AddPart(size_t line, std::string_view name, std::string_view value,
                     Shapes& shapes) {
  if (PartNamed(name) == nullptr) return Bad(line, "an unknown part");
  for (absl::string_view text : absl::StrSplit(AbslView(value), '|')) {
    text = absl::StripAsciiWhitespace(text);
    const auto pattern = DialPattern::Parse(StdView(text));
    if (!pattern.ok()) return Bad(line, StdView(pattern.status().message()));
    shapes[std::string(name)].push_back(
        {std::string(text), pattern->elements()});
  }
  return absl::OkStatus();
}

// The form with every choice of shapes.
absl::Status AddForms(size_t line, std::string_view name,
                      std::string_view value, const Shapes& shapes,
                      std::vector<NumberingForm>& forms) {
  std::vector<NumberingForm> made(1);
  made[0].name = std::string(name);
  for (const absl::string_view word :
       absl::StrSplit(AbslView(value), ' ', absl::SkipEmpty())) {
    const NumberPart* part = PartNamed(StdView(word));
    const auto it = shapes.find(std::string(word));
    if (part == nullptr || it == shapes.end()) {
      return Bad(line, "a part that is not defined");
    }
    std::vector<NumberingForm> longer;
    for (const NumberingForm& form : made) {
      for (const Shape& shape : it->second) {
        NumberingForm next = form;
        next.text += shape.text;
        next.elements.insert(next.elements.end(), shape.elements.begin(),
                             shape.elements.end());
        next.parts.push_back({*part, shape.elements.size()});
        longer.push_back(std::move(next));
      }
    }
    made = std::move(longer);
    if (forms.size() + made.size() > NumberingPlan::kMaxForms) {
      return Bad(line, "too many forms");
    }
  }
  if (made[0].parts.empty()) return Bad(line, "a form without parts");
  for (NumberingForm& form : made) {
    if (const auto whole = DialPattern::Parse(form.text); !whole.ok()) {
      return Bad(line, StdView(whole.status().message()));
    }
    forms.push_back(std::move(form));
  }
  return absl::OkStatus();
}

const std::vector<NumberingPlan>& Compiled() {
  static const std::vector<NumberingPlan>& plans = *[] {
    auto* out = new std::vector<NumberingPlan>;
    absl::StatusOr<NumberingPlan> nanp = NumberingPlan::Parse(kNanpData);
    SP_CHECK(nanp.ok());  // numbering_plan_test reads it too
    out->push_back(*std::move(nanp));
    return out;
  }();
  return plans;
}

}  // namespace

absl::StatusOr<NumberingPlan> NumberingPlan::Parse(std::string_view text) {
  NumberingPlan plan;
  Shapes shapes;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) return Bad(number, "no ':'");
    const absl::string_view key = line.substr(0, colon);
    const absl::string_view value =
        absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (value.empty()) return Bad(number, "nothing behind ':'");
    if (key == "name") {
      plan.name_ = std::string(value);
    } else if (key == "title") {
      plan.title_ = std::string(value);
    } else if (key == "source") {
      absl::StrAppend(&plan.source_, plan.source_.empty() ? "" : " ", value);
    } else if (absl::StartsWith(key, "part ")) {
      SP_RETURN_IF_ERROR(
          AddPart(number, StdView(key.substr(5)), StdView(value), shapes));
    } else if (absl::StartsWith(key, "form ")) {
      const size_t open = key.find(" (");
      if (open == absl::string_view::npos || key.back() != ')') {
        return Bad(number, "a form names its least toll class");
      }
      const TollClass* toll_class =
          TollClassNamed(StdView(key.substr(open + 2, key.size() - open - 3)));
      if (toll_class == nullptr) return Bad(number, "an unknown toll class");
      SP_RETURN_IF_ERROR(AddForms(number, StdView(key.substr(5, open - 5)),
                                  StdView(value), shapes, plan.forms_));
      plan.toll_classes_.resize(plan.forms_.size(), *toll_class);
    } else if (absl::StartsWith(key, "class ")) {
      const TollClass* toll_class = TollClassNamed(StdView(key.substr(6)));
      const std::pair<std::string, std::string> words =
          absl::StrSplit(value, absl::MaxSplits(' ', 1));
      const NumberPart* part = PartNamed(words.first);
      if (toll_class == nullptr || part == nullptr || words.second.empty()) {
        return Bad(number, "not a toll class, a part and its digits");
      }
      plan.codes_.push_back({*part, words.second, *toll_class});
    } else {
      return Bad(number, "an unknown key");
    }
  }
  if (plan.name_.empty() || plan.source_.empty() || plan.forms_.empty()) {
    return Bad(number, "a plan has a name, a source and forms");
  }
  return plan;
}

TollClass NumberingPlan::LeastTollClass(const DialPattern& pattern, size_t form,
                                        std::string_view number) const {
  TollClass least = toll_classes_[form];
  for (const DialPattern::PlacedPart& part : pattern.PartsOf(number)) {
    const std::string_view digits =
        number.substr(part.begin, part.end - part.begin);
    for (const Code& code : codes_) {
      if (code.part != part.part || code.digits != digits) continue;
      if (code.toll_class == TollClass::kEmergency) return code.toll_class;
      least = std::max(least, code.toll_class);
    }
  }
  return least;
}

const NumberingPlan* FindNumberingPlan(std::string_view name) {
  if (name.empty()) name = "nanp";
  for (const NumberingPlan& plan : Compiled()) {
    if (plan.name() == name) return &plan;
  }
  return nullptr;
}

std::vector<std::string_view> NumberingPlanNames() {
  std::vector<std::string_view> out;
  for (const NumberingPlan& plan : Compiled()) out.push_back(plan.name());
  return out;
}

absl::StatusOr<std::vector<DialPattern>> ParsePatterns(
    std::string_view text, std::string_view numbering_plan) {
  std::vector<DialPattern> out;
  const size_t at = text.find('@');
  const NumberingPlan* plan = at == std::string_view::npos
                                  ? nullptr
                                  : FindNumberingPlan(numbering_plan);
  if (at == std::string_view::npos) {
    SP_ASSIGN_OR_RETURN(DialPattern pattern, DialPattern::Parse(text));
    out.push_back(std::move(pattern));
    return out;
  }
  if (plan == nullptr) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "PATTERN_NUMBERING_PLAN_UNAVAILABLE",
                     absl::StrCat("character ", at + 1, ": '@' stands for a ",
                                  "numbering plan that is not known"));
  }
  out.reserve(plan->forms().size());
  for (const NumberingForm& form : plan->forms()) {
    SP_ASSIGN_OR_RETURN(DialPattern pattern, DialPattern::Parse(text, &form));
    out.push_back(std::move(pattern));
  }
  return out;
}

std::string_view NumberPartName(NumberPart part) {
  for (const auto& [name, known] : kParts) {
    if (known == part) return name;
  }
  return "";
}

}  // namespace sallyport
