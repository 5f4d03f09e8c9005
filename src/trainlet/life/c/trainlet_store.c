/* SPDX-License-Identifier: Apache-2.0 */
#include "trainlet_store.h"

#include <string.h>

#define HEAD_MAGIC 0x31534c54u /* TLS1 */
#define FOOT_MAGIC 0x46534c54u /* TLSF */
#define NONE UINT32_MAX

/* Written after the erase of a slot. */
typedef struct {
  uint32_t magic, erases, crc;
} head_t;

/* Written behind the blob, as the last bytes of a save. */
typedef struct {
  uint32_t magic, sequence, size, blob_crc, crc;
} foot_t;

/* Where the parts of a slot lie. */
typedef struct {
  const trainlet_flash *flash;
  uint32_t size; /* of the blob */
  uint32_t blob_at, foot_at, sectors, slots;
} layout_t;

/* The blob of one slot, which is written or read from its first byte to its last. */
typedef struct {
  const layout_t *layout;
  uint32_t slot, sequence, position, crc;
  int failed; /* whether the slot did not take what was written */
  uint8_t unit[TRAINLET_STORE_UNIT_BYTES];
} stream_t;

static uint32_t crc32(uint32_t crc, const void *bytes, uint32_t size) {
  const uint8_t *at = bytes;
  crc = ~crc;
  for (uint32_t k = 0; k < size; k++) {
    crc ^= at[k];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

static uint32_t rounded(uint32_t size, uint32_t unit) { return (size + unit - 1) / unit * unit; }

static int lay_out(layout_t *layout, const trainlet_flash *flash, uint32_t size) {
  uint32_t unit = flash->program_bytes, sector = flash->sector_bytes;
  if (!unit || unit > TRAINLET_STORE_UNIT_BYTES || !sector || sector % unit || size > 1u << 30)
    return TRAINLET_STORE_SIZE;
  layout->flash = flash;
  layout->size = size;
  layout->blob_at = rounded(sizeof(head_t), unit);
  layout->foot_at = layout->blob_at + rounded(size, unit);
  layout->sectors = (layout->foot_at + rounded(sizeof(foot_t), unit) - 1) / sector + 1;
  layout->slots = flash->sectors / layout->sectors;
  return layout->slots < 2 ? TRAINLET_STORE_SIZE : TRAINLET_STORE_OK;
}

/* `at` counts from the begin of the slot. */
static int slot_read(const layout_t *layout, uint32_t slot, uint32_t at, void *bytes, uint32_t size) {
  const trainlet_flash *flash = layout->flash;
  uint8_t *to = bytes;
  while (size) {
    uint32_t offset = at % flash->sector_bytes, part = flash->sector_bytes - offset;
    if (part > size) part = size;
    uint32_t sector = slot * layout->sectors + at / flash->sector_bytes;
    if (flash->read(flash->context, sector, offset, to, part)) return -1;
    to += part;
    at += part;
    size -= part;
  }
  return 0;
}

static int program_unit(const layout_t *layout, uint32_t slot, uint32_t at, const uint8_t *unit) {
  const trainlet_flash *flash = layout->flash;
  uint32_t sector = slot * layout->sectors + at / flash->sector_bytes;
  return flash->program(flash->context, sector, at % flash->sector_bytes, unit, flash->program_bytes);
}

static int program_record(const layout_t *layout, uint32_t slot, uint32_t at, const void *record,
                          uint32_t size) {
  uint8_t unit[TRAINLET_STORE_UNIT_BYTES];
  const uint8_t *from = record;
  uint32_t step = layout->flash->program_bytes;
  for (uint32_t k = 0; k < size; k += step) {
    uint32_t part = size - k < step ? size - k : step;
    memset(unit, 0, step);
    memcpy(unit, from + k, part);
    if (program_unit(layout, slot, at + k, unit)) return -1;
  }
  return 0;
}

static int sync(const layout_t *layout) {
  return layout->flash->sync ? layout->flash->sync(layout->flash->context) : 0;
}

/* How often a slot was erased; 0 if that is not known. */
static uint32_t erases_of(const layout_t *layout, uint32_t slot) {
  head_t head;
  if (slot_read(layout, slot, 0, &head, sizeof head) || head.magic != HEAD_MAGIC ||
      head.crc != crc32(0, &head, sizeof head - sizeof head.crc))
    return 0;
  return head.erases;
}

static uint32_t most_erases(const layout_t *layout) {
  uint32_t most = 0;
  for (uint32_t slot = 0; slot < layout->slots; slot++) {
    uint32_t own = erases_of(layout, slot);
    if (own > most) most = own;
  }
  return most;
}

static int read_foot(const layout_t *layout, uint32_t slot, foot_t *foot) {
  return !slot_read(layout, slot, layout->foot_at, foot, sizeof *foot) &&
         foot->magic == FOOT_MAGIC && foot->crc == crc32(0, foot, sizeof *foot - sizeof foot->crc) &&
         foot->size == layout->size;
}

static int blob_is_good(const layout_t *layout, uint32_t slot, uint32_t expected) {
  uint8_t part[64];
  uint32_t crc = 0;
  for (uint32_t at = 0; at < layout->size; at += sizeof part) {
    uint32_t size = layout->size - at < sizeof part ? layout->size - at : (uint32_t)sizeof part;
    if (slot_read(layout, slot, layout->blob_at + at, part, size)) return 0;
    crc = crc32(crc, part, size);
  }
  return crc == expected;
}

/* The newest good slot whose sequence number is below `before`, or NONE. */
static uint32_t newest(const layout_t *layout, uint32_t before, uint32_t *sequence) {
  for (;;) {
    uint32_t found = NONE, crc = 0;
    *sequence = 0;
    for (uint32_t slot = 0; slot < layout->slots; slot++) {
      foot_t foot;
      if (read_foot(layout, slot, &foot) && foot.sequence < before && foot.sequence > *sequence) {
        found = slot;
        crc = foot.blob_crc;
        *sequence = foot.sequence;
      }
    }
    if (found == NONE || blob_is_good(layout, found, crc)) return found;
    before = *sequence;
  }
}

/* sequence: of the state that comes; it tells how many erases there were where their count is lost. */
static int erase_slot(const layout_t *layout, uint32_t slot, uint32_t sequence) {
  const trainlet_flash *flash = layout->flash;
  head_t head = {HEAD_MAGIC, erases_of(layout, slot), 0};
  if (!head.erases) head.erases = (sequence - 1) / layout->slots;
  head.erases++;
  head.crc = crc32(0, &head, sizeof head - sizeof head.crc);
  for (uint32_t k = layout->sectors; k-- > 0;) /* the sector with the end of the state first */
    if (flash->erase(flash->context, slot * layout->sectors + k)) return -1;
  return program_record(layout, slot, 0, &head, sizeof head);
}

/* The first byte erases the slot, so a save that fails before it changes nothing. */
static int write_blob(void *context, uint32_t offset, const void *bytes, uint32_t size) {
  stream_t *stream = context;
  const layout_t *layout = stream->layout;
  const uint8_t *from = bytes;
  uint32_t step = layout->flash->program_bytes;
  stream->failed = 1;
  if (offset != stream->position || size > layout->size - offset) return -1;
  if (!offset && erase_slot(layout, stream->slot, stream->sequence)) return -1;
  stream->crc = crc32(stream->crc, bytes, size);
  for (uint32_t k = 0; k < size; k++) {
    stream->unit[stream->position++ % step] = from[k];
    if (stream->position % step && stream->position < layout->size) continue;
    uint32_t at = (stream->position - 1) / step * step, used = stream->position - at;
    memset(stream->unit + used, 0, step - used);
    if (program_unit(layout, stream->slot, layout->blob_at + at, stream->unit)) return -1;
  }
  stream->failed = 0;
  return 0;
}

static int read_blob(void *context, uint32_t offset, void *bytes, uint32_t size) {
  const stream_t *stream = context;
  if (offset > stream->layout->size || size > stream->layout->size - offset) return -1;
  return slot_read(stream->layout, stream->slot, stream->layout->blob_at + offset, bytes, size);
}

/* TRAINLET_STORE_WORN: this slot did not take the state, another one may. */
static int save_to(const layout_t *layout, uint32_t slot, uint32_t sequence, trainlet_save save) {
  stream_t stream = {layout, slot, sequence, 0, 0, 0, {0}};
  foot_t foot = {FOOT_MAGIC, sequence, layout->size, 0, 0};
  int status = save(write_blob, &stream);
  if (status && !stream.failed) return status;
  if (status || stream.position != layout->size) return TRAINLET_STORE_WORN;
  if (!blob_is_good(layout, slot, stream.crc)) return TRAINLET_STORE_WORN;
  foot.blob_crc = stream.crc;
  foot.crc = crc32(0, &foot, sizeof foot - sizeof foot.crc);
  if (program_record(layout, slot, layout->foot_at, &foot, sizeof foot) || sync(layout))
    return TRAINLET_STORE_WORN;
  return read_foot(layout, slot, &foot) ? TRAINLET_STORE_OK : TRAINLET_STORE_WORN;
}

int trainlet_store_save(const trainlet_flash *flash, uint32_t blob_bytes, trainlet_save save) {
  layout_t layout;
  uint32_t sequence;
  int status = lay_out(&layout, flash, blob_bytes);
  if (status) return status;
  uint32_t kept = newest(&layout, NONE, &sequence);
  uint32_t first = kept == NONE ? 0 : kept + 1, slots = layout.slots - (kept != NONE);
  for (uint32_t k = 0; k < slots; k++) {
    status = save_to(&layout, (first + k) % layout.slots, sequence + 1, save);
    if (status != TRAINLET_STORE_WORN) break;
  }
  return status;
}

int trainlet_store_load(const trainlet_flash *flash, uint32_t blob_bytes, trainlet_load load) {
  layout_t layout;
  uint32_t before = NONE, sequence;
  int status = lay_out(&layout, flash, blob_bytes), first = TRAINLET_STORE_EMPTY;
  if (status) return status;
  for (;;) {
    stream_t stream = {&layout, newest(&layout, before, &sequence), 0, 0, 0, 0, {0}};
    if (stream.slot == NONE) return first;
    status = load(read_blob, &stream);
    if (!status) return TRAINLET_STORE_OK;
    if (first == TRAINLET_STORE_EMPTY) first = status;
    before = sequence;
  }
}

int trainlet_store_inspect(const trainlet_flash *flash, uint32_t blob_bytes,
                           trainlet_store_facts *facts) {
  layout_t layout;
  int status = lay_out(&layout, flash, blob_bytes);
  if (status) return status;
  facts->slots = layout.slots;
  facts->erases = most_erases(&layout);
  newest(&layout, NONE, &facts->sequence);
  return TRAINLET_STORE_OK;
}
