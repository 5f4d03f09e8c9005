"""How the store wears a Flash over many saves, and what power cuts and worn sectors do meanwhile.

python benchmarks/store_wear.py [--saves 100000]

The C library runs over a model of a Flash: a unit is programmed once after an erase, and a sector
that was erased more often than its endurance takes no more bytes.  A cut stops the power behind any
byte of a program, or in an erase, which leaves the sector half erased.  After each cut a load has
to give the last committed state, or the one that was being saved.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trainlet.life.library import C

MODEL = r"""
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trainlet_store.h"

static uint8_t memory[SECTORS][SECTOR], programmed[SECTORS][SECTOR / UNIT];
static uint32_t erases[SECTORS], endurance[SECTORS], bits = 1, current, loaded;
static int64_t power = -1; /* bytes until the cut; below 0: none */
static int twice;
static jmp_buf off;

static uint32_t draw(void) {
  bits ^= bits << 13;
  bits ^= bits >> 17;
  return bits ^= bits << 5;
}
static void spend(void) {
  if (power >= 0 && power-- == 0) longjmp(off, 1);
}
static int erase(void *context, uint32_t sector) {
  (void)context;
  erases[sector]++;
  for (uint32_t k = 0; k < SECTOR; k++) {
    if (k % (SECTOR / 4) == 0) spend();
    memory[sector][k] = 0xff;
    programmed[sector][k / UNIT] = 0;
  }
  return 0;
}
static int program(void *context, uint32_t sector, uint32_t at, const void *bytes, uint32_t size) {
  (void)context;
  if (erases[sector] > endurance[sector]) return -1;
  twice += programmed[sector][at / UNIT]++ > 0;
  for (uint32_t k = 0; k < size; k++) {
    spend();
    memory[sector][at + k] &= ((const uint8_t *)bytes)[k];
  }
  return 0;
}
static int read(void *context, uint32_t sector, uint32_t at, void *bytes, uint32_t size) {
  (void)context;
  memcpy(bytes, &memory[sector][at], size);
  return 0;
}
static const trainlet_flash flash = {SECTORS, SECTOR, UNIT, erase, program, read, NULL, NULL};

/* State n is its number, and bytes that follow from it. */
static int save(trainlet_write write, void *context) {
  uint8_t bytes[BLOB];
  memcpy(bytes, &current, 4);
  for (uint32_t k = 4; k < BLOB; k++) bytes[k] = (uint8_t)(current * 31 + k * 7);
  return write(context, 0, bytes, BLOB);
}
static int load(trainlet_read read_blob, void *context) {
  uint8_t bytes[BLOB];
  if (read_blob(context, 0, bytes, BLOB)) return -1;
  memcpy(&loaded, bytes, 4);
  for (uint32_t k = 4; k < BLOB; k++)
    if (bytes[k] != (uint8_t)(loaded * 31 + k * 7)) return -1;
  return 0;
}

int main(int words, char **word) {
  if (words != 4) return 1;
  const uint32_t saves = (uint32_t)atol(word[1]), each = (uint32_t)atol(word[2]);
  const uint32_t worn = (uint32_t)atol(word[3]);
  uint32_t done = 0, cuts = 0, lost = 0, least = UINT32_MAX, most = 0;
  for (uint32_t k = 0; k < SECTORS; k++) endurance[k] = worn ? worn : UINT32_MAX;
  for (current = 1; current <= saves; current++) {
    volatile uint32_t committed = current - 1;
    power = each && draw() % each == 0 ? (int64_t)(draw() % (BLOB + 64)) : -1;
    if (setjmp(off) == 0) {
      int status = trainlet_store_save(&flash, BLOB, save);
      power = -1;
      if (status) break;
    } else {
      cuts++;
      power = -1;
      int status = trainlet_store_load(&flash, BLOB, load);
      if (committed && (status || (loaded != committed && loaded != current))) lost++;
      if (trainlet_store_save(&flash, BLOB, save)) break; /* again, after the restart */
    }
    done++;
    if (trainlet_store_load(&flash, BLOB, load) || loaded != current) lost++;
  }
  if (done < saves && (trainlet_store_load(&flash, BLOB, load) || loaded != current - 1)) lost++;
  for (uint32_t k = 0; k < SECTORS; k++) {
    if (erases[k] < least) least = erases[k];
    if (erases[k] > most) most = erases[k];
  }
  return printf("%u %u %u %u %u %d\n", done, cuts, lost, least, most, twice) < 0;
}
"""


@dataclass(frozen=True)
class Run:
    """sectors of `sector` bytes in units of `unit`; a blob; cut: one save of so many is cut, 0 for
    none; endurance: erases that a sector survives, 0 for any number"""

    sectors: int
    sector: int
    unit: int
    blob: int
    cut: int = 0
    endurance: int = 0


RUNS = [
    Run(2, 4096, 8, 1000),
    Run(3, 4096, 8, 1000),
    Run(8, 4096, 8, 1000),
    Run(4, 2048, 32, 3000),
    Run(8, 4096, 8, 1000, cut=3),
    Run(3, 4096, 1, 1000, cut=3),
    Run(8, 2048, 32, 3000, cut=3),
    Run(8, 4096, 8, 1000, endurance=10_000),
    Run(11, 4096, 8, 1000, endurance=10_000),
]


def measured(run: Run, saves: int, work: Path) -> list[int]:
    """Saves done, cuts, states lost, least and most erases of a sector, units programmed twice."""
    (work / "model.c").write_text(MODEL)
    sizes = {"SECTORS": run.sectors, "SECTOR": run.sector, "UNIT": run.unit, "BLOB": run.blob}
    defined = [f"-D{name}={value}" for name, value in sizes.items()]
    command = ["gcc", "-std=gnu11", "-O2", *defined, f"-I{C}", "model.c", C / "trainlet_store.c"]
    subprocess.run([*command, "-o", "model"], cwd=work, check=True)
    given = [str(value) for value in (saves, run.cut, run.endurance)]
    said = subprocess.run([work / "model", *given], capture_output=True, text=True, check=True)
    return [int(word) for word in said.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--saves", type=int, default=100_000)
    saves = parser.parse_args().saves
    table = Table("sectors", "unit", "state", "one save cut of", "endurance", "saves", "cuts",
                  "states lost", "erases of a sector", title=f"{saves:,} saves")  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        for run in RUNS:
            done, cuts, lost, least, most, twice = measured(run, saves, Path(work))
            assert not twice, "a unit was programmed twice after an erase"
            table.add_row(
                f"{run.sectors} x {run.sector:,}", str(run.unit), f"{run.blob:,}",
                str(run.cut or "-"), f"{run.endurance:,}" if run.endurance else "-", f"{done:,}",
                f"{cuts:,}", str(lost), f"{least:,} to {most:,}",
            )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
