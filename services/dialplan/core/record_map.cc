#include "services/dialplan/core/record_map.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace sallyport::dialplan {
namespace {

// Room is left in each, so that the first write to it does not split it.
constexpr size_t kLoadedChunk = RecordMap::kMaxChunk * 3 / 4;
constexpr size_t kSmallChunk = RecordMap::kMaxChunk / 8;

bool NameLess(const RecordPtr& record, std::string_view name) {
  return record->name() < name;
}

}  // namespace

RecordMap::RecordMap() : root_(std::make_shared<const Root>()) {}

RecordMap::RecordMap(const Plan::Records& records) {
  auto root = std::make_shared<Root>();
  root->size = records.size();
  std::shared_ptr<Chunk> chunk;
  for (const auto& [name, record] : records) {
    if (chunk == nullptr || chunk->size() == kLoadedChunk) {
      chunk = std::make_shared<Chunk>();
      chunk->reserve(kLoadedChunk);
      root->chunks.push_back(chunk);
    }
    chunk->push_back(record);
  }
  root_ = std::move(root);
}

size_t RecordMap::ChunkOf(const Root& root, std::string_view name) {
  // The last chunk that begins at or before `name`.
  const auto after = std::upper_bound(
      root.chunks.begin(), root.chunks.end(), name,
      [](std::string_view n, const std::shared_ptr<const Chunk>& chunk) {
        return n < chunk->front()->name();
      });
  return after == root.chunks.begin()
             ? 0
             : static_cast<size_t>(after - root.chunks.begin()) - 1;
}

RecordMap::Iterator RecordMap::LowerBound(std::string_view name) const {
  if (root_->chunks.empty()) return end();
  const size_t at = ChunkOf(*root_, name);
  const Chunk& chunk = *root_->chunks[at];
  const auto it = std::lower_bound(chunk.begin(), chunk.end(), name, NameLess);
  if (it == chunk.end()) return Iterator(root_.get(), at + 1, 0);
  return Iterator(root_.get(), at, static_cast<size_t>(it - chunk.begin()));
}

RecordMap::Iterator RecordMap::UpperBound(std::string_view name) const {
  Iterator it = LowerBound(name);
  if (it != end() && (*it)->name() == name) ++it;
  return it;
}

RecordPtr RecordMap::Find(std::string_view name) const {
  const Iterator it = LowerBound(name);
  return it != end() && (*it)->name() == name ? *it : nullptr;
}

RecordMap::Edit::Edit(const RecordMap& map)
    : root_(std::make_shared<Root>(*map.root_)) {}

RecordMap::Chunk& RecordMap::Edit::Own(size_t index) {
  std::shared_ptr<const Chunk>& chunk = root_->chunks[index];
  if (!own_.contains(chunk.get())) {
    auto copy = std::make_shared<Chunk>();
    copy->reserve(kMaxChunk + 1);
    copy->assign(chunk->begin(), chunk->end());
    own_.insert(copy.get());
    chunk = std::move(copy);
  }
  // Made by this edit as one that may be changed, and seen by nobody yet.
  return const_cast<Chunk&>(*chunk);
}

RecordPtr RecordMap::Edit::Put(RecordPtr record) {
  if (root_->chunks.empty()) {
    auto first = std::make_shared<Chunk>();
    first->push_back(std::move(record));
    own_.insert(first.get());
    root_->chunks.push_back(std::move(first));
    root_->size = 1;
    return nullptr;
  }
  const size_t at = ChunkOf(*root_, record->name());
  Chunk& chunk = Own(at);
  const auto it =
      std::lower_bound(chunk.begin(), chunk.end(), record->name(), NameLess);
  if (it != chunk.end() && (*it)->name() == record->name()) {
    return std::exchange(*it, std::move(record));
  }
  chunk.insert(it, std::move(record));
  ++root_->size;
  if (chunk.size() > kMaxChunk) Split(at);
  return nullptr;
}

RecordPtr RecordMap::Edit::Erase(std::string_view name) {
  if (root_->chunks.empty()) return nullptr;
  const size_t at = ChunkOf(*root_, name);
  {
    const Chunk& chunk = *root_->chunks[at];
    const auto it =
        std::lower_bound(chunk.begin(), chunk.end(), name, NameLess);
    if (it == chunk.end() || (*it)->name() != name) return nullptr;
  }
  Chunk& chunk = Own(at);
  const auto it = std::lower_bound(chunk.begin(), chunk.end(), name, NameLess);
  RecordPtr before = std::move(*it);
  chunk.erase(it);
  --root_->size;
  MergeSmall(at);
  return before;
}

void RecordMap::Edit::Split(size_t index) {
  Chunk& chunk = Own(index);
  const auto middle = chunk.begin() + static_cast<ptrdiff_t>(chunk.size() / 2);
  auto second = std::make_shared<Chunk>();
  second->reserve(kMaxChunk + 1);
  second->assign(middle, chunk.end());
  chunk.erase(middle, chunk.end());
  own_.insert(second.get());
  root_->chunks.insert(
      root_->chunks.begin() + static_cast<ptrdiff_t>(index) + 1,
      std::move(second));
}

// Keeps the number of chunks in proportion to what is left after deletions.
void RecordMap::Edit::MergeSmall(size_t index) {
  Chunk& chunk = Own(index);
  if (chunk.size() >= kSmallChunk) return;
  const auto place = root_->chunks.begin() + static_cast<ptrdiff_t>(index);
  if (chunk.empty()) {
    own_.erase(&chunk);
    root_->chunks.erase(place);
    return;
  }
  if (index + 1 == root_->chunks.size()) return;
  const Chunk& next = *root_->chunks[index + 1];
  if (chunk.size() + next.size() > kMaxChunk) return;
  chunk.insert(chunk.end(), next.begin(), next.end());
  own_.erase(&next);
  root_->chunks.erase(place + 1);
}

RecordMap RecordMap::Edit::Done() && { return RecordMap(std::move(root_)); }

}  // namespace sallyport::dialplan
