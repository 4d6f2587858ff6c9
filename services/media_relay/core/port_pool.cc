#include "services/media_relay/core/port_pool.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

PortPool::PortPool(RandomSource& random, const PortPoolOptions& options)
    : random_(random), options_(options) {
  if (options_.first > options_.last) return;
  const size_t width = static_cast<size_t>(options_.last) - options_.first + 1;
  state_.assign(width, State::kForeign);
  position_.assign(width, kNotFree);
  const uint32_t shards = options_.shards == 0 ? 1 : options_.shards;
  for (uint32_t port = options_.first; port <= options_.last; ++port) {
    if ((port / 2) % shards != options_.shard) continue;
    MakeFree(static_cast<uint16_t>(port));
    ++total_;
  }
}

void PortPool::MakeFree(uint16_t port) {
  state_[Index(port)] = State::kFree;
  position_[Index(port)] = static_cast<uint32_t>(free_.size());
  free_.push_back(port);
}

void PortPool::TakeFree(uint16_t port) {
  const uint32_t position = position_[Index(port)];
  const uint16_t moved = free_.back();
  free_[position] = moved;
  position_[Index(moved)] = position;
  free_.pop_back();
  position_[Index(port)] = kNotFree;
  state_[Index(port)] = State::kOut;
  ++out_;
}

bool PortPool::IsFree(uint32_t port) const {
  return port >= options_.first && port <= options_.last &&
         state_[Index(port)] == State::kFree;
}

void PortPool::EndQuarantine(MonoTime now) {
  while (!resting_.empty() && resting_.front().until <= now) {
    MakeFree(resting_.front().port);
    resting_.pop_front();
  }
}

std::optional<uint16_t> PortPool::Take(MonoTime now) {
  EndQuarantine(now);
  if (free_.empty()) return std::nullopt;
  const uint16_t port = free_[random_.Uniform(free_.size())];
  TakeFree(port);
  return port;
}

std::optional<uint16_t> PortPool::TakePair(MonoTime now) {
  EndQuarantine(now);
  if (free_.size() < 2) return std::nullopt;
  // Drawing free ports until one has its neighbour is uniform over pairs, as
  // each pair can be drawn in two ways.
  const auto whole = [this](uint16_t port) {
    return IsFree(static_cast<uint32_t>(port) ^ 1u);
  };
  constexpr int kDraws = 32;
  for (int i = 0; i < kDraws; ++i) {
    const uint16_t port = free_[random_.Uniform(free_.size())];
    if (!whole(port)) continue;
    const uint16_t even = port & 0xFFFE;
    TakeFree(even);
    TakeFree(even + 1);
    return even;
  }
  // Few pairs are left: look for one from a random place on.
  const size_t start = random_.Uniform(free_.size());
  for (size_t i = 0; i < free_.size(); ++i) {
    const uint16_t port = free_[(start + i) % free_.size()];
    if (!whole(port)) continue;
    const uint16_t even = port & 0xFFFE;
    TakeFree(even);
    TakeFree(even + 1);
    return even;
  }
  return std::nullopt;
}

void PortPool::Release(uint16_t port, MonoTime now) {
  if (port < options_.first || port > options_.last ||
      state_[Index(port)] != State::kOut) {
    return;
  }
  --out_;
  state_[Index(port)] = State::kResting;
  resting_.push_back({port, now + options_.quarantine});
}

size_t PortPool::free_count(MonoTime now) {
  EndQuarantine(now);
  return free_.size();
}

}  // namespace sallyport::media_relay
