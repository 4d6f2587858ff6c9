#include "services/capf/core/authority_generation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sallyport::capf {
namespace {

// RFC 5280 appendix A.1: ub-common-name.
constexpr size_t kMaxCommonName = 64;

// "Name G12" without its " G12".
std::string_view WithoutNumber(std::string_view name) {
  const size_t digits = name.find_last_not_of("0123456789");
  if (digits == std::string_view::npos || digits + 1 == name.size() ||
      digits < 2 || name.substr(digits - 1, 2) != " G") {
    return name;
  }
  return name.substr(0, digits - 1);
}

}  // namespace

std::string_view AuthorityStateName(AuthorityState state) {
  switch (state) {
    case AuthorityState::kPrepared:
      return "PREPARED";
    case AuthorityState::kIssuing:
      return "ISSUING";
    case AuthorityState::kRetiring:
      return "RETIRING";
    case AuthorityState::kRetired:
      return "RETIRED";
  }
  return "";
}

std::string AuthorityGeneration::Name() const {
  return absl::StrCat(authority, "/", generation);
}

const AuthorityGeneration* FindGeneration(
    absl::Span<const AuthorityGeneration> all, std::string_view authority,
    AuthorityState state) {
  const AuthorityGeneration* found = nullptr;
  for (const AuthorityGeneration& one : all) {
    if (one.authority != authority || one.state != state) continue;
    if (found == nullptr || found->generation < one.generation) found = &one;
  }
  return found;
}

std::string ChooseAuthority(absl::Span<const AuthorityGeneration> all,
                            const AuthorityChoice& choice,
                            std::string_view default_id) {
  std::vector<const AuthorityGeneration*> open;
  for (const std::string& whose : {choice.tenant, std::string()}) {
    for (const AuthorityGeneration& one : all) {
      if (one.state == AuthorityState::kIssuing && one.tenant == whose) {
        open.push_back(&one);
      }
    }
    // What is a tenant's own is never mixed with everybody's.
    if (!open.empty()) break;
  }
  std::erase_if(open, [&choice](const AuthorityGeneration* one) {
    return one->disabled ||
           (!choice.named.empty() && one->authority != choice.named);
  });
  if (!choice.named.empty()) return open.empty() ? "" : open[0]->authority;
  const AuthorityGeneration* best = nullptr;
  for (const AuthorityGeneration* const one : open) {
    if (!choice.model.empty() &&
        std::find(one->models.begin(), one->models.end(), choice.model) !=
            one->models.end()) {
      return one->authority;
    }
    if (!one->models.empty()) continue;
    const auto rank = [&](const AuthorityGeneration& which) {
      return (choice.rsa_only && which.rsa_bits != 0 ? 2 : 0) +
             (which.authority == default_id ? 1 : 0);
    };
    if (best == nullptr || rank(*one) > rank(*best)) best = one;
  }
  return best == nullptr ? std::string() : best->authority;
}

std::string NameOfGeneration(std::string_view first, int64_t generation) {
  const std::string number = absl::StrCat(" G", generation);
  std::string_view base = WithoutNumber(first);
  base = base.substr(0, std::min(base.size(), kMaxCommonName - number.size()));
  return std::string(base) + number;
}

}  // namespace sallyport::capf
