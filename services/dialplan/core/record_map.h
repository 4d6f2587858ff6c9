// All records by name, as a value that is cheap to keep and to change.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_RECORD_MAP_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_RECORD_MAP_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

// Records in byte order of their names. A copy is one pointer and stays as it
// is whatever becomes of the others: so a reader keeps a whole plan, and reads
// it without a lock, while writers go on. They share what they do not change:
// an edit costs the chunks that it touches, and one list of chunks. Immutable.
class RecordMap {
 private:
  using Chunk = std::vector<RecordPtr>;  // 1 to kMaxChunk of them
  struct Root {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    size_t size = 0;
  };

 public:
  static constexpr size_t kMaxChunk = 128;

  // A place among the records. Lives as long as any copy of the map that it
  // came from. Thread-compatible.
  class Iterator {
   public:
    const RecordPtr& operator*() const {
      return (*root_->chunks[chunk_])[index_];
    }
    const RecordPtr* operator->() const { return &**this; }
    Iterator& operator++() {
      if (++index_ == root_->chunks[chunk_]->size()) {
        index_ = 0;
        ++chunk_;
      }
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return chunk_ == other.chunk_ && index_ == other.index_;
    }

   private:
    friend class RecordMap;
    Iterator(const Root* root, size_t chunk, size_t index)
        : root_(root), chunk_(chunk), index_(index) {}

    const Root* root_;
    size_t chunk_;
    size_t index_;
  };

  RecordMap();
  // Of a plan, in one go.
  explicit RecordMap(const Plan::Records& records);

  size_t size() const { return root_->size; }
  Iterator begin() const { return Iterator(root_.get(), 0, 0); }
  Iterator end() const {
    return Iterator(root_.get(), root_->chunks.size(), 0);
  }
  // The first whose name is not less than `name`; the first whose is greater.
  Iterator LowerBound(std::string_view name) const;
  Iterator UpperBound(std::string_view name) const;
  // Null if there is none.
  RecordPtr Find(std::string_view name) const;

  // Several changes that become one new map. Thread-compatible.
  class Edit {
   public:
    explicit Edit(const RecordMap& map);

    // What was there before, or null.
    RecordPtr Put(RecordPtr record);
    RecordPtr Erase(std::string_view name);

    // Ends the edit.
    RecordMap Done() &&;

   private:
    // The chunk at `index`, this edit's own.
    Chunk& Own(size_t index);
    void Split(size_t index);
    void MergeSmall(size_t index);

    std::shared_ptr<Root> root_;
    absl::flat_hash_set<const Chunk*> own_;
  };

 private:
  explicit RecordMap(std::shared_ptr<const Root> root)
      : root_(std::move(root)) {}

  // The chunk in which `name` is, or would be put.
  static size_t ChunkOf(const Root& root, std::string_view name);

  std::shared_ptr<const Root> root_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_RECORD_MAP_H_
