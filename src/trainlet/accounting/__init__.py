"""What training a network needs: by the rules of the papers, and as it really is."""

from trainlet.accounting.account import Account, Accounts, account
from trainlet.accounting.published import PUBLISHED, published

__all__ = ["PUBLISHED", "Account", "Accounts", "account", "published"]
