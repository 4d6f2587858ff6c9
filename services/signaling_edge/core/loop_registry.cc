#include "services/signaling_edge/core/loop_registry.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sallyport::signaling_edge {
namespace {

// What a binding is to other loops than its own.
Binding Shared(Binding binding) {
  binding.id = 0;
  binding.flow = Flow();
  binding.foreign = false;
  binding.silent_until = MonoTime::InfiniteFuture();
  return binding;
}

}  // namespace

void LoopRegistry::ForgetExpired(MonoTime now) {
  while (const auto user = deadlines_.PopExpired(now)) users_.erase(*user);
}

RegistryReply LoopRegistry::ReplyOf(const User& user, MonoTime now) const {
  RegistryReply out;
  out.version = std::to_string(user.version);
  out.epoch = user.epoch;
  out.generation = user.generation;
  for (const Binding& binding : user.bindings) {
    if (binding.expires > now) out.bindings.push_back(binding);
  }
  return out;
}

RegistryReply LoopRegistry::Fetch(const FetchBindings& action, MonoTime now) {
  ForgetExpired(now);
  const auto it = users_.find(action.user);
  return it == users_.end() ? RegistryReply() : ReplyOf(it->second, now);
}

RegistryReply LoopRegistry::Store(const StoreBindings& action, MonoTime now) {
  ForgetExpired(now);
  const auto it = users_.find(action.user);
  const std::string there =
      it == users_.end() ? "" : std::to_string(it->second.version);
  if (action.expected != there) {
    return it == users_.end() ? RegistryReply() : ReplyOf(it->second, now);
  }
  User& user = users_[action.user];
  user.version = ++last_version_;
  user.epoch = action.epoch;
  user.generation = action.generation;
  user.bindings.clear();
  user.last = std::max(user.last, now);
  for (const Binding& binding : action.bindings) {
    user.last = std::max(user.last, binding.expires);
    user.bindings.push_back(Shared(binding));
  }
  deadlines_.Set(action.user, user.last);
  RegistryReply out;
  out.stored = true;
  out.version = std::to_string(user.version);
  out.epoch = user.epoch;
  out.generation = user.generation;
  return out;
}

}  // namespace sallyport::signaling_edge
